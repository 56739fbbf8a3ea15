import { once } from 'node:events';
import { createServer } from 'node:net';

// Below Linux's range for outgoing connections (32768 and up): a port from inside that range can be taken by any
// client between our look and the server's bind, or while a test has its server stopped.
const lowest = 15_000;
const highest = 32_000;
const attemptsMax = 200;

const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

/**
 * A TCP port of 127.0.0.1 that nothing listens on, never the same one twice in a process. Other processes choose at
 * random from the same 17 000, so whoever binds it may still be beaten to it: rare enough to try again then.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port of 127.0.0.1 among ${attemptsMax} tried between ${lowest} and ${highest}`);
}

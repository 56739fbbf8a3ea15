/**
 * Sends a large object, all but its last bytes, and waits until it is killed: `node upload-child.fixture.ts URL SIZE`.
 * Prints a line when the rest is asked for.
 */

import { ftpDriver } from './index.ts';
import { largeKey, largeObject, promiseOf, restBytes } from './large-object.fixture.ts';

const [, , url = '', size = '0'] = process.argv;
const bytes = largeObject(Number(size));
const { signal } = new AbortController();

async function* body(): AsyncGenerator<Uint8Array> {
  const end = bytes.length - restBytes;
  for (let at = 0; at < end; at += 65_536) yield bytes.subarray(at, Math.min(at + 65_536, end));
  console.log('waiting');
  await new Promise(() => setInterval(() => undefined, 1000));
}

await using place = await ftpDriver.open(url, { signal });
await place.write(largeKey, body(), { signal, ...promiseOf(bytes) });

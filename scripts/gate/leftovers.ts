import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** In the environment of everything that a run of the gate starts: a process keeps it, whoever its parent becomes. */
export const runMark = 'HOLDFAST_GATE_RUN';

const graceMsMax = 3_000;

interface Leftover {
  readonly pid: number;
  readonly command: string;
}

async function marked(run: string): Promise<Leftover[]> {
  const found: Leftover[] = [];
  // Only Linux tells; elsewhere the list is empty.
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    // A process of another user, or one that has just ended, cannot be read. A zombie's environment is empty.
    const environment = await readFile(`/proc/${entry}/environ`, 'latin1').catch(() => '');
    if (!environment.split('\0').includes(`${runMark}=${run}`)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    found.push({ pid: Number(entry), command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}

/** Kills what a run has left behind and returns it; processes that are just ending get three seconds. */
export async function endLeftovers(run: string): Promise<readonly Leftover[]> {
  const deadline = performance.now() + graceMsMax;
  let left = await marked(run);
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(100);
    left = await marked(run);
  }
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  }
  return left;
}

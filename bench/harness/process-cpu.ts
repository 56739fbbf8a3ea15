import { readdirSync, readFileSync } from 'node:fs';

/** As /proc counts on every Linux that Node runs on: USER_HZ. */
const ticksPerSecond = 100;

export interface ProcessCpu {
  /** Of the process with all its threads. */
  readonly ownSeconds: number;
  /** Of its children that have ended, with theirs. */
  readonly childrenSeconds: number;
}

/** The processor time of a process so far. */
export function processCpu(pid: number): ProcessCpu {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the command's name: the fields from the third on; the 14th and 15th are its own time, then its children's.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (at: number): number => (Number(fields[at]) + Number(fields[at + 1])) / ticksPerSecond;
  return { ownSeconds: seconds(11), childrenSeconds: seconds(13) };
}

/** The nanosecond-exact time of each thread, as `name seconds` by its id; empty where the kernel does not count it. */
export function threadCpu(pid: number): Map<string, { readonly name: string; readonly seconds: number }> {
  const found = new Map<string, { readonly name: string; readonly seconds: number }>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim();
      const nanoseconds = Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
      found.set(thread, { name, seconds: nanoseconds / 1e9 });
    } catch {
      // It has just ended, or this kernel keeps no such file.
    }
  }
  return found;
}

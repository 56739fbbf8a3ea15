import { readFileSync } from 'node:fs';

/** As /proc counts on every Linux that Node runs on: USER_HZ. */
const ticksPerSecond = 100;

/**
 * The processor time of all children of this process that have ended, and of those of further processes (a server,
 * whose sessions are its children), with all that they had started themselves.
 */
export function cpuSeconds(servers: readonly number[] = []): number {
  return [process.pid, ...servers].reduce((sum, pid) => sum + ofChildren(pid), 0);
}

function ofChildren(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the command's name: the fields from the third on; the 16th and 17th are of children that were waited for.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

import { readdirSync } from 'node:fs';
import { parentOf } from './memory.ts';
import { processCpu } from './process-cpu.ts';

/** The processor time so far of all processes that this one started, directly or not, and that still run: its servers. */
export function serversCpuSeconds(): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(Number(name)));
  let seconds = 0;
  for (const pid of parents.keys()) {
    let above = parents.get(pid);
    while (above && above !== process.pid) above = parents.get(above);
    if (above === process.pid) seconds += secondsOf(pid);
  }
  return seconds;
}

function secondsOf(pid: number): number {
  try {
    const { ownSeconds, childrenSeconds } = processCpu(pid);
    return ownSeconds + childrenSeconds;
  } catch {
    // It has just ended.
    return 0;
  }
}

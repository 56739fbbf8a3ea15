import { readdir, readFile } from 'node:fs/promises';

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** As /proc says: R, S, T, Z … */
  readonly state: string;
}

async function factsOf(pid: number): Promise<ProcessFacts | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in parentheses, may hold anything; what follows it does not.
  const [state = '', parent = ''] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  return text === undefined ? undefined : { pid, parent: Number(parent), state };
}

async function runningProcesses(): Promise<readonly ProcessFacts[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(factsOf));
  return all.filter((facts) => facts !== undefined).filter(({ state }) => state !== 'Z');
}

/** The processes that a process has started and that still run. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  return (await runningProcesses()).filter(({ parent }) => parent === pid).map((facts) => facts.pid);
}

/** Those, and what they have started in turn. */
export async function descendantsOf(pid: number): Promise<readonly number[]> {
  const all = await runningProcesses();
  const found = [pid];
  for (const one of found)
    found.push(...all.filter(({ parent }) => parent === one).map((facts) => facts.pid));
  return found.slice(1);
}

/** Whether a process has ended, whoever is to collect what is left of it. */
export async function hasEnded(pid: number): Promise<boolean> {
  const facts = await factsOf(pid);
  return facts === undefined || facts.state === 'Z';
}

const untilMsMax = 30_000;

/** Waits for something to become so, and says what it was when that takes too long. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + untilMsMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${untilMsMax / 1000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

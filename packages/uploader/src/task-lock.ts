import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { readJson, writeDurably } from './durable-file.ts';
import { systemCode } from './errors.ts';
import { FileLock } from './file-lock.ts';

interface Holder {
  readonly pid: number;
  readonly sinceMs: number;
}

/** Files of it stay: removing one while others wait for it would let two in. There is one per task and set. */
export class TaskLock implements AsyncDisposable {
  readonly #lock: FileLock;

  private constructor(lock: FileLock) {
    this.#lock = lock;
  }

  /** @throws HoldfastError conflict, naming the process that has it and since when */
  static async take(
    folder: string,
    o: { readonly task: string; readonly destinations: readonly string[]; readonly clock: Clock },
  ): Promise<TaskLock> {
    const set = createHash('sha256')
      .update([...o.destinations].sort().join('\n'))
      .digest('hex')
      .slice(0, 12);
    const path = join(folder, `${o.task}-${set}.lock`);
    const holderPath = `${path}.holder`;
    const lock = FileLock.tryTake(path);
    if (!lock) throw conflict(o.task, await readHolder(holderPath));
    const holder: Holder = { pid: process.pid, sinceMs: o.clock.now() };
    // Only for the message of others; on a full disk the lock holds all the same, and what fills it may be collected.
    await writeDurably(holderPath, JSON.stringify(holder)).catch(() => undefined);
    return new TaskLock(lock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lock[Symbol.dispose]();
  }
}

/** How often a lock that is waited for is asked for again; who has it may have it for hours. */
const askEveryMs = 500;

/**
 * The right to write a task's backups to one destination, apart from the right to run the task: whoever brings a
 * destination up to date must not keep a run from the others. Undefined when it is taken, unless `wait`.
 */
export async function lockDestination(
  folder: string,
  o: Sig & {
    readonly task: string;
    readonly destination: string;
    readonly wait: boolean;
    readonly clock: Clock;
  },
): Promise<FileLock | undefined> {
  const place = createHash('sha256').update(o.destination).digest('hex').slice(0, 12);
  const path = join(folder, `${o.task}-at-${place}.lock`);
  for (;;) {
    throwIfAborted(o.signal);
    const lock = FileLock.tryTake(path);
    if (lock || !o.wait) return lock;
    await o.clock.sleep(askEveryMs, o.signal).catch(() => undefined);
  }
}

function conflict(task: string, holder: Holder | undefined): HoldfastError {
  const who = holder
    ? `process ${holder.pid} since ${new Date(holder.sinceMs).toISOString()}`
    : 'another process';
  return new HoldfastError('conflict', `task ${task} is being backed up to the same destinations by ${who}`, {
    hint: holder ? `wait for it to end, or stop it: kill ${holder.pid}` : 'wait for it to end',
  });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const holder = (await readJson(path).catch(() => undefined)) as Partial<Holder> | undefined;
  if (typeof holder?.pid !== 'number' || typeof holder.sinceMs !== 'number') return undefined;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // One that is gone: the one that has the lock now has not said so yet.
    if (systemCode(error) === 'ESRCH') return undefined;
  }
  return { pid: holder.pid, sinceMs: holder.sinceMs };
}

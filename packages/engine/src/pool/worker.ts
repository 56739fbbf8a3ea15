/** Entry of a worker thread: opens the role that it is told to, and does its jobs one by one. */
import { parentPort, workerData } from 'node:worker_threads';
import { HoldfastError } from '@holdfast/core';
import type { FromWorker, Role, RoleModule, ToWorker } from './role.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');

const { role: roleUrl, init } = workerData as { role: string; init: unknown };
const abort = new AbortController();
const tell = (message: FromWorker): void => port.postMessage(message);

let role: Role<unknown, unknown, unknown> | undefined;
let last: Promise<void> = start();

async function start(): Promise<void> {
  try {
    const module = (await import(roleUrl)) as RoleModule<unknown, unknown, unknown, unknown>;
    role = await module.openRole(init, {
      signal: abort.signal,
      progress: (bytes, rows) => tell({ kind: 'progress', bytes, rows }),
    });
    tell({ kind: 'ready' });
  } catch (error) {
    await fail(error);
  }
}

async function fail(error: unknown): Promise<void> {
  tell({ kind: 'error', error: HoldfastError.from(error).toRecord() });
  await close();
}

async function close(): Promise<void> {
  const open = role;
  role = undefined;
  port?.close();
  try {
    await open?.[Symbol.asyncDispose]();
  } catch {
    // The run has its outcome already, and this thread is about to end; its handles end with it.
  }
}

async function obey(message: ToWorker): Promise<void> {
  if (role === undefined) return;
  try {
    if (message.kind === 'job') tell({ kind: 'result', result: await role.run(message.job) });
    if (message.kind === 'end') {
      tell({ kind: 'final', final: await role.end() });
      await close();
    }
  } catch (error) {
    await fail(error);
  }
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'abort') {
    abort.abort(new HoldfastError('cancelled', 'stopped on request'));
    last = last.then(close);
    return;
  }
  last = last.then(() => obey(message));
});

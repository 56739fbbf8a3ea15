/** Entry of the thread that has the store's file open: a sync of the disk keeps nobody else waiting. */
import { parentPort, workerData } from 'node:worker_threads';
import { HoldfastError } from '@holdfast/core';
import type { DatabaseCalls } from './database-calls.ts';
import { Abandoned, EmbeddedDatabase } from './embedded-database.ts';
import type { FromWorker, ToWorker, WorkerInit } from './worker-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this module is the entry of a worker thread');

const { options, abandoned } = workerData as WorkerInit;
const abandonedCall = new Int32Array(abandoned);
let current = -1;

const tell = (message: FromWorker): void => port.postMessage(message);
const database = open();

function open(): EmbeddedDatabase | undefined {
  try {
    const opened = new EmbeddedDatabase({
      ...options,
      abandoned: () => Atomics.load(abandonedCall, 0) === current,
    });
    tell({ kind: 'open' });
    return opened;
  } catch (error) {
    tell({ kind: 'refused', error: HoldfastError.from(error).toRecord() });
    return undefined;
  }
}

function obey(message: ToWorker): void {
  if (message.kind === 'close') {
    database?.[Symbol.dispose]();
    port?.close();
    return;
  }
  const { id, name, args } = message;
  current = id;
  try {
    // Names and arguments come from `DatabaseLink.call`, which types them.
    const call = database?.[name] as (...args: readonly unknown[]) => ReturnType<DatabaseCalls[typeof name]>;
    tell({ kind: 'result', id, result: call.apply(database, [...args]) });
  } catch (error) {
    if (error instanceof Abandoned) tell({ kind: 'abandoned', id });
    else tell({ kind: 'error', id, error: HoldfastError.from(error).toRecord() });
  }
}

if (database) port.on('message', obey);

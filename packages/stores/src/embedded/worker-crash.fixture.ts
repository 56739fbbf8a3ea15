/** A worker that opens, answers one call, and dies at the next: for `worker-link.test.ts`. */
import { parentPort } from 'node:worker_threads';
import type { ToWorker } from './worker-messages.ts';

let calls = 0;
parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'close') process.exit(0);
  calls += 1;
  if (calls > 1) throw new Error('out of memory, or whatever kills threads');
  parentPort?.postMessage({ kind: 'result', id: message.id, result: undefined });
});
parentPort?.postMessage({ kind: 'open' });

/** Stands in for a run's process in tests: what it does is the task's name in the request that it gets. */
import type { ChildMessage, ParentMessage } from './run-messages.ts';

function send(message: ChildMessage, then?: () => void): void {
  process.send?.(message, undefined, undefined, then);
}

const progress = { kind: 'progress', phase: 'reading', doneBytes: 1, totalBytes: 2, rows: 3 } as const;

const behaviours: Readonly<Record<string, () => void>> = {
  done: () => {
    send({ kind: 'event', event: progress });
    send({ kind: 'event', event: { kind: 'notice', text: 'nearly there' } });
    const report = { findings: [], backups: 7, chunks: 0, rows: 0, storedBytes: 0, durationMs: 0 };
    send({ kind: 'done', report }, () => process.exit(0));
  },
  fail: () =>
    send(
      {
        kind: 'failed',
        error: { code: 'corrupt', message: 'bytes differ', hint: 'look' },
        stack: 'at the place',
      },
      () => process.exit(1),
    ),
  crash: () => {
    process.stderr.write('about to crash\n');
    process.exit(9);
  },
  kill: () => process.kill(process.pid, 'SIGKILL'),
  'out-of-memory': () => {
    process.stderr.write('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory');
    process.abort();
  },
  hang: () => {
    stopped = () => undefined;
    send({ kind: 'event', event: { kind: 'notice', text: 'hanging' } });
    setInterval(() => undefined, 1000);
  },
  obey: () => send({ kind: 'event', event: { kind: 'notice', text: 'waiting to be told' } }),
};

let stopped = (reason: ParentMessage): void => {
  if (reason.kind === 'abort') send({ kind: 'failed', error: reason.reason }, () => process.exit(1));
};

process.on('message', (message: ParentMessage) => {
  if (message.kind === 'abort') stopped(message);
  else behaviours[(message.request.request as { task?: string }).task ?? '']?.();
});

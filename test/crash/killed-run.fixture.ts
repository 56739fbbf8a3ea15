/** A backup in a process of its own that ends itself with SIGKILL at a step: `node killed-run.fixture.ts REQUEST STEP`. */
import { SystemClock } from '@holdfast/core';
import { perform, type RunRequest } from '@holdfast/service';

const [, , request = '', step = ''] = process.argv;
await perform(JSON.parse(request) as RunRequest, {
  clock: new SystemClock(),
  signal: new AbortController().signal,
  observer: (event) => {
    if (event.kind === 'step' && event.step === step) process.kill(process.pid, 'SIGKILL');
  },
});

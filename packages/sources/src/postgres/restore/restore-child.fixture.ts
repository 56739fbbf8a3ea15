import { copyDatabase, restoreCopy } from './restore.fixture.ts';

// A restore in a process of its own, which stops for ever after the step that its third argument names: to be killed.
const [from = '', to = '', stopAfter = '', id = 'r1'] = process.argv.slice(2);
const copy = await copyDatabase(from);
await restoreCopy(to, copy, {
  id,
  after: async (step) => {
    process.stdout.write(`${step}\n`);
    // An interval keeps the process from ending by itself.
    if (step.startsWith(stopAfter)) await new Promise(() => setInterval(() => {}, 1000));
  },
});

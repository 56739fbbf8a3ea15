import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const e2e = ['test/**/*.e2e.test.ts'];
const contract = ['packages/*/src/**/*.contract.test.ts', 'test/**/*.contract.test.ts'];
const servers = { globalSetup: ['packages/testing/src/servers/global-setup.ts'] };

/** What all projects share. A test that fails once is a bug: nothing is tried again. */
const strict = {
  pool: 'forks',
  retry: 0,
  allowOnly: false,
  // What is waited for comes when the machine gets to it: a limit only ends what would never come.
  expect: { poll: { timeout: 30_000, interval: 10 } },
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        // Fakes, a fake clock and temporary folders: quick enough to run on every save.
        test: {
          ...strict,
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...contract, ...e2e],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // vitest's own choice is one less than there are cores: a single worker on a small machine.
          maxWorkers: Math.max(2, availableParallelism()),
          sequence: { groupOrder: 1 },
        },
      },
      {
        // One real server each, or the PostgreSQL that the whole run shares: `inject('postgres')`.
        test: {
          ...strict,
          ...servers,
          name: 'contract',
          include: contract,
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Node processes, real servers, faults on the wire.
        test: {
          ...strict,
          ...servers,
          name: 'e2e',
          include: e2e,
          maxWorkers: 2,
          testTimeout: 600_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

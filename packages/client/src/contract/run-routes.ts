import { z } from 'zod';
import { exampleRun, exampleRunning } from './examples.ts';
import type { Route } from './route.ts';
import { logLine, runList, runState, runTables, runView } from './run-schemas.ts';
import { count, runId, taskName } from './words.ts';

const params = z.object({ run: runId });

const wait = z
  .string()
  .regex(/^(?:[1-9]|[1-5]\d|60)s$/, '1s to 60s')
  .describe('1s to 60s')
  .meta({ examples: ['30s'] });

export const runRoutes = {
  listRuns: {
    method: 'GET',
    path: '/v1/runs',
    group: 'runs',
    kind: 'json',
    summary: 'Runs, newest first',
    description: 'Those before the restart of a node too: history is kept.',
    query: z.strictObject({
      task: taskName.optional().describe('only of this task'),
      state: runState.optional().describe('only in this state'),
      limit: z.int().min(1).max(500).default(50).describe('how many at most'),
      before: runId.optional().describe('only runs older than this one'),
    }),
    response: runList,
    status: 200,
    errors: ['not_found'],
    writes: false,
    examples: [
      {
        says: 'the last run of a task',
        input: { task: 'orders', limit: 1 },
        output: { runs: [exampleRun], more: true },
      },
    ],
  },
  getRun: {
    method: 'GET',
    path: '/v1/runs/{run}',
    group: 'runs',
    kind: 'json',
    summary: 'One run',
    description: 'With `wait`, answers when the run has ended, or when that time is over.',
    params,
    query: z.strictObject({ wait: wait.optional() }),
    response: runView,
    status: 200,
    errors: ['not_found'],
    writes: false,
    examples: [
      { says: 'it has ended', input: { run: exampleRun.id }, output: exampleRun },
      { says: 'it is running', input: { run: exampleRunning.id, wait: '1s' }, output: exampleRunning },
    ],
  },
  cancelRun: {
    method: 'POST',
    path: '/v1/runs/{run}/cancel',
    group: 'runs',
    kind: 'json',
    summary: 'Stop a run',
    description:
      'Asks it to stop and answers at once; wait for its end with `GET`. Nothing listed is harmed.',
    params,
    body: z.strictObject({}),
    response: runView,
    status: 200,
    errors: ['not_found', 'precondition_failed', 'lease_lost'],
    writes: true,
    examples: [{ says: 'it is about to stop', input: { run: exampleRunning.id }, output: exampleRunning }],
  },
  listRunTables: {
    method: 'GET',
    path: '/v1/runs/{run}/tables',
    group: 'runs',
    kind: 'json',
    summary: "A run's tables",
    description: 'One row for each table; the run is done when all of them are completed.',
    params,
    query: z.strictObject({
      offset: count.default(0).describe('how many to pass over'),
      limit: z.int().min(1).max(1_000).default(100).describe('how many at most'),
    }),
    response: runTables,
    status: 200,
    errors: ['not_found', 'precondition_failed'],
    writes: false,
    examples: [
      {
        says: 'one of nine tables',
        input: { run: exampleRunning.id, limit: 1 },
        output: {
          tables: [
            {
              table: '/public/orders',
              chunksDone: 2,
              chunksTotal: 6,
              rows: 80_000,
              bytes: 21_000_000,
              percent: 33.3,
              startedAt: '2026-11-21T07:00:00.400Z',
              estimatedEnd: '2026-11-21T07:00:05.900Z',
              completed: false,
            },
          ],
          total: 9,
        },
      },
    ],
  },
  getRunLog: {
    method: 'GET',
    path: '/v1/runs/{run}/log',
    group: 'runs',
    kind: 'lines',
    summary: "A run's log",
    description: 'One JSON document per line, oldest first.',
    params,
    response: logLine,
    status: 200,
    errors: ['not_found', 'precondition_failed'],
    writes: false,
    examples: [
      {
        says: 'its end',
        input: { run: exampleRun.id },
        output: {
          at: '2026-11-21T06:30:04.800Z',
          level: 'info',
          text: 'stored 20261120T140000Z-node-a-g3/0003 at near',
          run: exampleRun.id,
          task: 'orders',
        },
      },
    ],
  },
} as const satisfies Record<string, Route>;

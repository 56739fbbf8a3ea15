import { z } from 'zod';
import { exampleRun, exampleRunning, exampleTask } from './examples.ts';
import type { Route } from './route.ts';
import { runStarted } from './run-schemas.ts';
import { taskDetail, taskView } from './task-schemas.ts';
import { duration, name, scope, taskName } from './words.ts';

const params = z.object({ task: taskName });
const nothing = z.strictObject({});

export const taskRoutes = {
  listTasks: {
    method: 'GET',
    path: '/v1/tasks',
    group: 'tasks',
    kind: 'json',
    summary: 'All tasks',
    description: 'Each with its state, the responsible node, its last good backups and how fresh they are.',
    response: z.array(taskView),
    status: 200,
    errors: [],
    writes: false,
    examples: [{ says: 'one task', input: {}, output: [exampleTask] }],
  },
  getTask: {
    method: 'GET',
    path: '/v1/tasks/{task}',
    group: 'tasks',
    kind: 'json',
    summary: 'One task',
    description: 'With a preview of its next runs, and its recent ones.',
    params,
    query: z.strictObject({
      next: z.int().min(0).max(100).default(5).describe('how many next runs to show'),
    }),
    response: taskDetail,
    status: 200,
    errors: ['not_found'],
    writes: false,
    examples: [
      {
        says: 'with one next run',
        input: { task: 'orders', next: 1 },
        output: {
          ...exampleTask,
          nextRuns: [
            { at: '2026-11-21T06:45:00.000Z', scope: 'incremental', reason: 'incremental schedule' },
          ],
          recentRuns: [exampleRun],
        },
      },
    ],
  },
  runTask: {
    method: 'POST',
    path: '/v1/tasks/{task}/run',
    group: 'tasks',
    kind: 'json',
    summary: 'Start a run now',
    description:
      'Without a scope: an incremental where one can be made, else a full. The responsible node carries it out, whichever node is asked. With `node`, that node does: any may make a full, which begins a chain of its own and changes nothing about who makes the incrementals; only their owner may make an incremental. While the task is running, answers with that run and starts nothing.',
    params,
    body: z.strictObject({
      scope: scope.optional(),
      newSource: z
        .boolean()
        .optional()
        .describe('the task backs up another database from now on, and that is meant: a full backup'),
      node: name.optional().describe('who is to carry it out; it has to be alive'),
    }),
    response: runStarted,
    status: 202,
    errors: ['not_found', 'precondition_failed', 'exhausted', 'lease_lost'],
    writes: true,
    examples: [
      {
        says: 'a full backup',
        input: { task: 'orders', scope: 'full' },
        output: { run: exampleRunning, already: false },
      },
      {
        says: 'a full backup by another node than the responsible one',
        input: { task: 'orders', scope: 'full', node: 'node-b' },
        output: { run: { ...exampleRunning, node: 'node-b' }, already: false },
      },
      { says: 'it is running', input: { task: 'orders' }, output: { run: exampleRunning, already: true } },
    ],
  },
  pauseTask: {
    method: 'POST',
    path: '/v1/tasks/{task}/pause',
    group: 'tasks',
    kind: 'json',
    summary: 'Take no more occurrences',
    description: 'What is running ends as it would. Runs by hand stay possible.',
    params,
    body: nothing,
    response: taskView,
    status: 200,
    errors: ['not_found', 'conflict'],
    writes: true,
    examples: [{ says: 'paused', input: { task: 'orders' }, output: { ...exampleTask, state: 'paused' } }],
  },
  resumeTask: {
    method: 'POST',
    path: '/v1/tasks/{task}/resume',
    group: 'tasks',
    kind: 'json',
    summary: 'Take occurrences again',
    description: 'Ends a pause or a delay. An occurrence that was missed meanwhile is caught up once.',
    params,
    body: nothing,
    response: taskView,
    status: 200,
    errors: ['not_found', 'conflict'],
    writes: true,
    examples: [{ says: 'enabled again', input: { task: 'orders' }, output: exampleTask }],
  },
  delayTask: {
    method: 'POST',
    path: '/v1/tasks/{task}/delay',
    group: 'tasks',
    kind: 'json',
    summary: 'Not now: later',
    description:
      'Ends the running run; it starts anew after the delay, and nothing starts by schedule before.',
    params,
    body: z.strictObject({ for: duration }),
    response: taskView,
    status: 200,
    errors: ['not_found', 'conflict', 'precondition_failed'],
    writes: true,
    examples: [
      {
        says: 'an hour later',
        input: { task: 'orders', for: '1h' },
        output: { ...exampleTask, state: 'delayed', delayedUntil: '2026-11-21T08:00:00.000Z' },
      },
    ],
  },
} as const satisfies Record<string, Route>;

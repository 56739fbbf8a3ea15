import { z } from 'zod';
import { decisionView, nodeView } from './cluster-schemas.ts';
import { exampleRunning, exampleTask } from './examples.ts';
import type { Route } from './route.ts';
import { name, taskName } from './words.ts';

const exampleNode: z.input<typeof nodeView> = {
  name: 'node-a',
  alive: true,
  self: true,
  version: '0.1.0',
  startedAt: '2026-11-20T13:59:58.000Z',
  tags: ['db'],
  capacity: 2,
  url: 'https://node-a.example:6362',
  draining: false,
  tasks: 1,
  owns: 1,
  active: [exampleRunning],
  clockOffsetMs: 0,
  reachable: true,
};

export const clusterRoutes = {
  listNodes: {
    method: 'GET',
    path: '/v1/nodes',
    group: 'cluster',
    kind: 'json',
    summary: 'All nodes',
    description:
      'Those that are alive, and those that are gone but still named by tasks. Each of the others is asked what it does, for up to 5 s: with `cluster.secret` and `cluster.advertise` in the configuration of both.',
    response: z.array(nodeView),
    status: 200,
    errors: [],
    writes: false,
    examples: [
      {
        says: 'one that answers, one that cannot be reached',
        input: {},
        output: [
          exampleNode,
          {
            name: 'node-b',
            alive: true,
            self: false,
            version: '0.1.0',
            startedAt: '2026-11-20T14:02:11.000Z',
            tags: [],
            capacity: 2,
            url: 'https://node-b.example:6362',
            draining: false,
            tasks: 0,
            owns: 0,
            reachable: false,
            problem: 'node-b could not be asked: nothing answers at https://node-b.example:6362',
          },
        ],
      },
    ],
  },
  drainNode: {
    method: 'POST',
    path: '/v1/nodes/{node}/drain',
    group: 'cluster',
    kind: 'json',
    summary: 'Let a node give its tasks away',
    description:
      'Until it is taken back (`draining` false), also over restarts of that node: other nodes take its tasks, and it gets none. What runs there may finish. Runs by hand stay possible.',
    params: z.object({ node: name }),
    body: z.strictObject({ draining: z.boolean().default(true) }),
    response: nodeView,
    status: 200,
    errors: ['not_found'],
    writes: true,
    examples: [
      { says: 'before maintenance', input: { node: 'node-a' }, output: { ...exampleNode, draining: true } },
      { says: 'after it', input: { node: 'node-a', draining: false }, output: exampleNode },
    ],
  },
  listDecisions: {
    method: 'GET',
    path: '/v1/tasks/{task}/decisions',
    group: 'tasks',
    kind: 'json',
    summary: 'Why that node',
    description: "What was decided about the task's responsible node, newest last. Kept for a while.",
    params: z.object({ task: taskName }),
    query: z.strictObject({
      last: z.int().min(1).max(500).default(20).describe('how many at most, the newest of them'),
    }),
    response: z.array(decisionView),
    status: 200,
    errors: ['not_found'],
    writes: false,
    examples: [
      {
        says: 'a task that was moved',
        input: { task: 'orders' },
        output: [
          {
            task: 'orders',
            at: '2026-11-20T14:00:00.000Z',
            kind: 'assigned',
            node: 'node-b',
            generation: 2,
            by: 'node-b',
            reason: 'the task prefers node-b',
          },
          {
            task: 'orders',
            at: '2026-11-20T15:10:00.000Z',
            kind: 'not-suitable',
            node: 'node-b',
            generation: 2,
            by: 'node-a',
            reason: 'node-b is not alive',
          },
          {
            task: 'orders',
            at: '2026-11-20T15:10:30.000Z',
            kind: 'moved',
            node: 'node-a',
            generation: 3,
            by: 'node-a',
            reason: exampleTask.nodeReason,
          },
        ],
      },
    ],
  },
} as const satisfies Record<string, Route>;

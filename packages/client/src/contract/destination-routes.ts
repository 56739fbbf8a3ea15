import { z } from 'zod';
import { copyList, copyStarted, type copyView, destinationView } from './destination-schemas.ts';
import type { Route } from './route.ts';
import { name, taskName } from './words.ts';

const exampleCopy: z.input<typeof copyView> = {
  id: 'orders-to-far-20261121T064000123Z',
  task: 'orders',
  node: 'node-a',
  from: ['near'],
  to: 'far',
  chains: 'lacking',
  trigger: 'manual',
  state: 'running',
  createdAt: '2026-11-21T06:40:00.123Z',
  startedAt: '2026-11-21T06:40:00.130Z',
  progress: {
    name: 'far',
    doneBytes: 20_000,
    totalBytes: 40_118,
    bytesPerSecond: 10_000,
    state: 'uploading',
    estimatedEnd: '2026-11-21T06:40:04.130Z',
  },
  backups: [],
  bytes: 0,
  problems: [],
};

const { progress: _progress, ...ended } = exampleCopy;

const endedCopy: z.input<typeof copyView> = {
  ...ended,
  state: 'succeeded',
  endedAt: '2026-11-21T06:40:06.000Z',
  backups: ['20261120T140000Z-node-a-g3/0003'],
  bytes: 40_118,
};

const exampleDestination: z.input<typeof destinationView> = {
  name: 'far',
  type: 'sftp',
  place: 'sftp://backup@far.example/backups?key=[secret]',
  disabled: false,
  tasks: [
    {
      task: 'orders',
      lastGood: {
        at: '2026-11-20T14:00:00.000Z',
        backup: '20261120T140000Z-node-a-g3/0000',
        scope: 'full',
      },
      behind: {
        since: '2026-11-21T06:00:04.800Z',
        run: 'orders-20261121T060000000Z',
        backups: 3,
        tries: 5,
        lastTriedAt: '2026-11-21T06:31:00.000Z',
        error: { code: 'unavailable', message: 'far.example does not answer', hint: 'is it up?' },
      },
    },
  ],
  counters: {
    writtenBytes: 14_700_000,
    readBytes: 90_112,
    requests: { prepare: 4, write: 12, list: 4, stat: 12 },
    retries: 9,
    failures: { unavailable: 10 },
  },
};

export const destinationRoutes = {
  listDestinations: {
    method: 'GET',
    path: '/v1/destinations',
    group: 'destinations',
    kind: 'json',
    summary: 'All destinations',
    description:
      'Each with the tasks that use it, what it lacks of them, and what the node that answers has asked of it. With `probe`, each is listed too: up to 10 s, and up to 10,000 objects, beyond which `usedBytes` is absent. Probing writes nothing.',
    query: z.strictObject({
      probe: z.boolean().default(false).describe('`true`: look whether each can be reached now'),
    }),
    response: z.array(destinationView),
    status: 200,
    errors: [],
    writes: false,
    examples: [
      { says: 'one that is behind', input: {}, output: [exampleDestination] },
      {
        says: 'with a look at it',
        input: { probe: true },
        output: [
          {
            ...exampleDestination,
            probe: {
              reachable: false,
              error: { code: 'unavailable', message: 'far.example does not answer', hint: 'is it up?' },
            },
          },
        ],
      },
    ],
  },
  copyTask: {
    method: 'POST',
    path: '/v1/tasks/{task}/copy',
    group: 'destinations',
    kind: 'json',
    summary: "Copy a task's backups to a destination",
    description:
      'From the other destinations of the task, without asking the database for anything. What is there is not sent again; what broke off is gone on with. Destinations that are behind get their copies by themselves, so this is for an empty one, or for now. Answers at once; `GET /v1/copies` says how it goes on.',
    params: z.object({ task: taskName }),
    body: z.strictObject({
      to: name.describe('a destination of the task'),
      from: name.optional().describe('only from this one; absent: from whichever has what is lacking'),
      all: z
        .boolean()
        .default(false)
        .describe('all chains; else those that it has begun, and newer ones; an empty one gets the newest'),
    }),
    response: copyStarted,
    status: 202,
    errors: ['not_found', 'precondition_failed'],
    writes: true,
    examples: [
      {
        says: 'it has begun',
        input: { task: 'orders', to: 'far', from: 'near' },
        output: { copy: exampleCopy, already: false },
      },
    ],
  },
  listCopies: {
    method: 'GET',
    path: '/v1/copies',
    group: 'destinations',
    kind: 'json',
    summary: 'Copies that wait or run, and the last ended ones',
    description:
      'Of all nodes that answer, each since it started; what a destination lacks is remembered with the task.',
    response: copyList,
    status: 200,
    errors: [],
    writes: false,
    examples: [
      {
        says: 'one has ended',
        input: {},
        output: { copies: [endedCopy] },
      },
    ],
  },
} as const satisfies Record<string, Route>;

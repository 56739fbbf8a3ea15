/** What the examples of the contract show: one small shop. */
import type { z } from 'zod';
import type { objectsAnswer, objectsPlan } from './object-schemas.ts';
import type { runView } from './run-schemas.ts';
import type { taskView } from './task-schemas.ts';

export const exampleRun: z.input<typeof runView> = {
  id: 'orders-20261121T063000123Z',
  task: 'orders',
  scopeAsked: 'incremental',
  scopeMade: 'incremental',
  trigger: 'schedule',
  reason: 'incremental schedule, every 15 minutes',
  occurrence: '2026-11-21T06:30:00.000Z',
  due: '2026-11-21T06:30:00.000Z',
  createdAt: '2026-11-21T06:30:00.123Z',
  startedAt: '2026-11-21T06:30:00.150Z',
  endedAt: '2026-11-21T06:30:04.800Z',
  state: 'succeeded',
  node: 'node-a',
  generation: 3,
  backup: '20261120T140000Z-node-a-g3/0003',
  outcome: 'stored',
  rows: 0,
  changes: 1204,
  rawBytes: 231_912,
  storedBytes: 40_118,
  segments: 1,
  notices: [],
  destinations: [{ name: 'near', state: 'stored' }],
};

export const exampleRunning: z.input<typeof runView> = {
  id: 'orders-20261121T070000007Z',
  task: 'orders',
  scopeAsked: 'full',
  scopeMade: 'full',
  trigger: 'manual',
  reason: 'asked for by hand',
  createdAt: '2026-11-21T07:00:00.007Z',
  startedAt: '2026-11-21T07:00:00.030Z',
  state: 'running',
  node: 'node-a',
  generation: 3,
  rows: 120_000,
  changes: 0,
  rawBytes: 30_000_000,
  storedBytes: 6_100_000,
  segments: 1,
  notices: [],
  destinations: [{ name: 'near', state: 'uploading' }],
  progress: {
    phase: 'reading',
    percent: 41.5,
    doneBytes: 30_000_000,
    totalBytes: 72_300_000,
    bytesPerSecond: 11_400_000,
    rows: 120_000,
    tablesDone: 3,
    tablesTotal: 9,
    chunksDone: 5,
    chunksTotal: 14,
    estimatedEnd: '2026-11-21T07:00:06.400Z',
    lastProgressAt: '2026-11-21T07:00:02.600Z',
    stuck: false,
    destinations: [
      {
        name: 'near',
        doneBytes: 6_100_000,
        totalBytes: 14_700_000,
        bytesPerSecond: 2_300_000,
        state: 'uploading',
        estimatedEnd: '2026-11-21T07:00:06.340Z',
      },
    ],
  },
};

export const exampleTask: z.input<typeof taskView> = {
  name: 'orders',
  source: 'orders',
  type: 'logical',
  schedules: { full: '0 2 * * 0', incremental: '*/15 * * * *', timezone: 'Europe/Berlin' },
  destinations: ['near', 'far'],
  state: 'enabled',
  node: 'node-a',
  nodeReason: 'it has had the task since 2026-11-20 and is alive',
  owner: { node: 'node-a', chain: '20261120T140000Z-node-a-g3' },
  generation: 3,
  lastAttempt: { run: exampleRun.id, at: exampleRun.createdAt, state: 'succeeded' },
  lastGoodFull: {
    at: '2026-11-20T14:00:00.000Z',
    backup: '20261120T140000Z-node-a-g3/0000',
    scope: 'full',
  },
  lastGood: {
    at: '2026-11-21T06:30:00.150Z',
    backup: '20261120T140000Z-node-a-g3/0003',
    scope: 'incremental',
  },
  lastGoodByDestination: {
    near: {
      at: '2026-11-21T06:30:00.150Z',
      backup: '20261120T140000Z-node-a-g3/0003',
      scope: 'incremental',
    },
  },
  behindByDestination: {},
  next: { at: '2026-11-21T06:45:00.000Z', scope: 'incremental', reason: 'incremental schedule' },
  freshness: {
    state: 'fresh',
    reason: 'the backup of 06:30 holds the last occurrence',
    expected: '2026-11-21T06:30:00.000Z',
    runningTooLong: false,
  },
  declaredRevision: 12,
  warnings: [],
};

export const exampleFile = `sources:
  orders: { type: postgres, url: "\${env:ORDERS_URL}" }
destinations:
  near: { type: folder, path: /var/backups/holdfast }
tasks:
  orders:
    source: orders
    type: logical
    full: "0 2 * * 0"
    incremental: "*/15 * * * *"
    timezone: Europe/Berlin
    destinations: [near]
`;

export const exampleObjects: z.input<typeof objectsAnswer> = {
  revision: 12,
  objects: {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder, as people write it
    sources: { orders: { type: 'postgres', url: '${env:ORDERS_URL}' } },
    destinations: { near: { type: 'folder', path: '/var/backups/holdfast' } },
    tasks: {
      orders: {
        source: 'orders',
        type: 'logical',
        full: '0 2 * * 0',
        incremental: '*/15 * * * *',
        timezone: 'Europe/Berlin',
        destinations: ['near'],
        require: 'all',
      },
    },
    notifications: {},
  },
  yaml: exampleFile,
};

export const examplePlan: z.input<typeof objectsPlan> = {
  revision: 12,
  changes: [
    {
      action: 'change',
      kind: 'task',
      name: 'orders',
      fields: [{ field: 'incremental', from: '*/30 * * * *', to: '*/15 * * * *' }],
    },
  ],
  warnings: [{ where: 'shop.yaml, task orders', text: 'no destination is off this machine' }],
};

import { z } from 'zod';
import { exampleRun, exampleRunning } from './examples.ts';
import { apiEvent, health, nodeStatus, readiness } from './node-schemas.ts';
import type { Route } from './route.ts';

const document = z.record(z.string(), z.unknown());

export const nodeRoutes = {
  getHealth: {
    method: 'GET',
    path: '/health',
    group: 'node',
    kind: 'json',
    summary: 'Is the process alive',
    description: 'Answers as long as the process takes requests. For liveness probes; needs no token.',
    response: health,
    status: 200,
    errors: [],
    writes: false,
    open: true,
    examples: [{ says: 'alive', input: {}, output: { live: true, version: '0.1.0' } }],
  },
  getReadiness: {
    method: 'GET',
    path: '/ready',
    group: 'node',
    kind: 'json',
    summary: 'Does the node do its work',
    description: 'For readiness probes; needs no token, and gives reasons only to those who have it.',
    response: readiness,
    status: 200,
    otherStatus: {
      status: 503,
      when: 'the node is not ready',
      applies: (answer) => readiness.parse(answer).ready === false,
    },
    errors: [],
    writes: false,
    open: true,
    examples: [
      { says: 'ready', input: {}, output: { ready: true, reasons: [] } },
      { says: 'not ready', input: {}, output: { ready: false, reasons: ['the store does not answer'] } },
    ],
  },
  getMetrics: {
    method: 'GET',
    path: '/metrics',
    group: 'node',
    kind: 'text',
    summary: 'Metrics for Prometheus',
    description: 'In the text format of Prometheus, version 0.0.4.',
    response: z.string(),
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    status: 200,
    errors: [],
    writes: false,
    examples: [
      {
        says: 'one gauge',
        input: {},
        output:
          '# HELP holdfast_runs_running Runs that run now\n# TYPE holdfast_runs_running gauge\nholdfast_runs_running 1\n',
      },
    ],
  },
  getOpenApi: {
    method: 'GET',
    path: '/openapi.json',
    group: 'node',
    kind: 'json',
    summary: 'This API as an OpenAPI document',
    description: 'OpenAPI 3.1.',
    response: document,
    status: 200,
    errors: [],
    writes: false,
    examples: [{ says: 'its beginning', input: {}, output: { openapi: '3.1.0' } }],
  },
  getObjectsSchema: {
    method: 'GET',
    path: '/schema/objects.json',
    group: 'objects',
    kind: 'json',
    summary: 'JSON Schema of files of declared objects',
    description: 'Draft 2020-12, with the fields of every driver of this node; for editors.',
    response: document,
    status: 200,
    errors: [],
    writes: false,
    examples: [
      {
        says: 'its beginning',
        input: {},
        output: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object' },
      },
    ],
  },
  getStatus: {
    method: 'GET',
    path: '/v1/status',
    group: 'node',
    kind: 'json',
    summary: 'What the node and its cluster do',
    description:
      'Of the node that answers: name, store, limits. Of the whole cluster: tasks, active runs, and problems that need a person; what another node could not be asked for is said among them.',
    response: nodeStatus,
    status: 200,
    errors: [],
    writes: false,
    examples: [
      {
        says: 'one run is running',
        input: {},
        output: {
          node: 'node-a',
          version: '0.1.0',
          startedAt: '2026-11-20T13:59:58.000Z',
          now: '2026-11-21T07:00:02.700Z',
          store: 'embedded, /var/lib/holdfast/holdfast.db',
          limits: { runsMax: 2, runsPerSourceMax: 1 },
          tasks: { total: 1, byFreshness: { fresh: 1 } },
          runs: { running: 1, succeeded: 4 },
          active: [exampleRunning],
          problems: [],
        },
      },
    ],
  },
  streamEvents: {
    method: 'GET',
    path: '/v1/events',
    group: 'node',
    kind: 'events',
    summary: 'What changes, as it changes',
    description:
      'Runs, tasks and declared objects of the whole cluster; progress and log lines of runs that the node carries out itself, of those of other nodes each change of state. Server-sent events: `id`, `event` (the `kind`) and `data`, a JSON document of the schema; a comment every 15 seconds when nothing happens. Events are not repeated: after connecting again, read the lists anew. A client that reads too slowly is disconnected.',
    response: apiEvent,
    status: 200,
    errors: ['exhausted'],
    writes: false,
    examples: [
      { says: 'a run has ended', input: {}, output: { kind: 'run', run: exampleRun } },
      { says: 'the declared objects changed', input: {}, output: { kind: 'objects', revision: 13 } },
    ],
  },
} as const satisfies Record<string, Route>;

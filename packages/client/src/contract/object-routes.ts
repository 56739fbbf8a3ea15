import { z } from 'zod';
import { exampleFile, exampleObjects, examplePlan } from './examples.ts';
import { delivered, objectsAnswer, objectsApplied, objectsPlan, objectsRequest } from './object-schemas.ts';
import type { Route } from './route.ts';
import { name } from './words.ts';

const filesBytesMax = 4 * 1024 * 1024;

export const objectRoutes = {
  getObjects: {
    method: 'GET',
    path: '/v1/objects',
    group: 'objects',
    kind: 'json',
    summary: 'What is declared',
    description: 'Sources, destinations, tasks and notifications, with the revision to compare with.',
    response: objectsAnswer,
    status: 200,
    errors: [],
    writes: false,
    examples: [{ says: 'one task', input: {}, output: exampleObjects }],
  },
  planObjects: {
    method: 'POST',
    path: '/v1/objects/plan',
    group: 'objects',
    kind: 'json',
    summary: 'What applying files would change',
    description: 'Checks the files whole and compares them with what is declared. Changes nothing.',
    body: objectsRequest,
    response: objectsPlan,
    status: 200,
    errors: ['conflict', 'unsupported'],
    writes: false,
    bodyBytesMax: filesBytesMax,
    examples: [
      {
        says: 'a schedule would change',
        input: { files: [{ name: 'shop.yaml', text: exampleFile }], prune: false },
        output: examplePlan,
      },
    ],
  },
  applyObjects: {
    method: 'POST',
    path: '/v1/objects/apply',
    group: 'objects',
    kind: 'json',
    summary: 'Declare what the files say',
    description:
      'All of it or nothing. With `revision` (of a plan), nothing when something else was declared since: `conflict`.',
    body: objectsRequest,
    response: objectsApplied,
    status: 200,
    errors: ['conflict', 'unsupported'],
    writes: true,
    bodyBytesMax: filesBytesMax,
    examples: [
      {
        says: 'a schedule changes',
        input: { files: [{ name: 'shop.yaml', text: exampleFile }], revision: 12 },
        output: { ...examplePlan, revision: 13, applied: true },
      },
    ],
  },
  testNotification: {
    method: 'POST',
    path: '/v1/notifications/{notification}/test',
    group: 'objects',
    kind: 'json',
    summary: 'Send a test message',
    description: 'Answers when the message was taken by the other side, or with the error that it gave.',
    params: z.object({ notification: name.describe('name of the notification') }),
    body: z.strictObject({}),
    response: delivered,
    status: 200,
    errors: ['not_found'],
    writes: true,
    examples: [{ says: 'it arrives', input: { notification: 'on-call' }, output: { delivered: true } }],
  },
} as const satisfies Record<string, Route>;

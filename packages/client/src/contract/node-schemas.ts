import { z } from 'zod';
import { logLine, runState, runView } from './run-schemas.ts';
import { freshnessState, taskView } from './task-schemas.ts';
import { count, label, moment, name, revision } from './words.ts';

export const health = z.object({ live: z.literal(true), version: label }).describe('The process answers.');

export const readiness = z
  .object({
    ready: z.boolean(),
    reasons: z.array(label).describe('what is missing; without the token always empty'),
  })
  .describe('Whether the node does its work.');

export const nodeStatus = z
  .object({
    node: name,
    version: label,
    startedAt: moment,
    now: moment.describe("by the node's clock"),
    store: label.describe('what keeps the declared objects and the runs'),
    limits: z.record(z.string(), z.union([z.number(), z.string()])).describe('of the node'),
    tasks: z.object({ total: count, byFreshness: z.partialRecord(freshnessState, count) }),
    runs: z.partialRecord(runState, count),
    active: z.array(runView).describe('runs that wait or run, on any node'),
    problems: z.array(label).describe('what needs a person, in words'),
  })
  .describe('What the node does.');

export const apiEvent = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('run'), run: runView }),
    z.object({ kind: z.literal('task'), task: taskView }),
    z.object({ kind: z.literal('objects'), revision }),
    z.object({ kind: z.literal('log'), line: logLine }),
  ])
  .describe('Something changed.');

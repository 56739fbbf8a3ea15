import { z } from 'zod';
import { runView } from './run-schemas.ts';
import { count, label, moment, name, taskName } from './words.ts';

export const nodeView = z
  .object({
    name,
    alive: z.boolean().describe('false: gone, and still named by tasks or told to give them away'),
    self: z.boolean().describe('the node that answers'),
    version: label.optional().describe('while it is alive'),
    startedAt: moment.optional().describe('by its own clock'),
    tags: z.array(name),
    capacity: count.optional().describe('how many runs it carries out at once'),
    url: label.optional().describe('where other nodes reach it; absent: nowhere'),
    draining: z.boolean().describe('it gives its tasks away, and gets none'),
    tasks: count.describe('how many it is responsible for'),
    owns: count.describe('of how many it may make incrementals'),
    active: z
      .array(runView)
      .optional()
      .describe('runs that wait or run there; absent when the node could not be asked'),
    clockOffsetMs: z
      .number()
      .optional()
      .describe('how much its clock is ahead of that of the node that answers; negative: behind'),
    reachable: z.boolean().describe('whether the node that answers could ask it'),
    problem: label.optional().describe('what is wrong with it, or with asking it, in words'),
  })
  .describe('A node of the cluster, as the node that answers sees it.');

export const decisionView = z
  .object({
    task: taskName,
    at: moment.describe('by the clock of the node that decided'),
    kind: z
      .enum([
        'assigned',
        'not-suitable',
        'suitable-again',
        'moved',
        'released',
        'ownership',
        'apart',
        'closed',
      ])
      .describe(
        '`ownership`: who may make incrementals changed; `released`: no node has the task; `apart`: its node went on without the store; `closed`: what it made apart is no longer continued',
      ),
    node: name.optional().describe('the responsible node after it; absent: none'),
    generation: count,
    by: name.describe('the node that decided'),
    reason: label,
  })
  .describe("What was decided about a task's responsible node.");

import { z } from 'zod';
import { runState, runView } from './run-schemas.ts';
import {
  apiError,
  backup,
  count,
  label,
  moment,
  name,
  revision,
  runId,
  scope,
  taskName,
  word,
} from './words.ts';

export const goodBackup = z
  .object({ at: moment.describe('the moment that it holds'), backup, scope })
  .describe('A committed backup.');

export const nextRun = z
  .object({ at: moment, scope, reason: label.describe('why then, and why this scope') })
  .describe('A run to come.');

export const freshnessState = z.enum([
  'fresh',
  'overdue',
  'never-ran',
  'waiting-first',
  'paused',
  'disabled',
]);

export const freshness = z
  .object({
    state: freshnessState.describe(
      'by the schedule: `waiting-first`: its first backup is not due yet; `never-ran`: it is, and there is none',
    ),
    reason: label,
    expected: moment.optional().describe('the occurrence that should be held by a good backup by now'),
    overdueSince: moment.optional(),
    runningTooLong: z.boolean(),
  })
  .describe('Whether the task has the backup that it should have.');

export const behind = z
  .object({
    since: moment,
    run: runId.describe('the first one whose backup it lacks'),
    backups: count.describe('how many it lacks; those that it got from later runs after all are counted too'),
    tries: count.describe('copies that did not succeed since then'),
    lastTriedAt: moment.optional(),
    error: apiError.optional().describe('of the run, or of the last copy'),
  })
  .describe('What a destination lacks that exists elsewhere. It is brought up to date by itself.');

export const taskView = z
  .object({
    name: taskName,
    source: name,
    type: z.enum(['logical', 'snapshot']),
    schedules: z.object({
      full: word.optional().describe('cron expression'),
      incremental: word.optional().describe('cron expression'),
      timezone: word,
    }),
    destinations: z.array(name),
    state: z.enum(['enabled', 'disabled', 'paused', 'delayed']),
    delayedUntil: moment.optional(),
    node: name.optional().describe('the responsible node; absent while there is none'),
    nodeReason: label.describe('why that node, or why none'),
    notSuitable: z
      .object({ since: moment, reason: label })
      .optional()
      .describe('the responsible node cannot run it; unless that is over soon, another one takes it'),
    owner: z
      .object({ node: name, chain: label.describe('the chain that they continue') })
      .optional()
      .describe('who may make incrementals: the node that made the newest full; absent: a full comes next'),
    generation: count,
    running: z
      .object({ run: runId, scope: scope.optional(), state: runState, startedAt: moment.optional() })
      .optional(),
    lastAttempt: z.object({ run: runId, at: moment, state: runState }).optional(),
    lastGoodFull: goodBackup.optional(),
    lastGood: goodBackup.optional(),
    lastGoodByDestination: z.record(name, goodBackup),
    behindByDestination: z.record(name, behind).describe('destinations that lack backups; mostly none'),
    lastError: apiError.extend({ run: runId.optional(), at: moment }).optional(),
    next: nextRun.optional(),
    freshness,
    declaredRevision: revision.describe('the revision that last changed the task'),
    warnings: z.array(label).describe('for example: all backup destinations are disabled'),
  })
  .describe('A task and how it stands.');

export const taskDetail = taskView
  .extend({
    nextRuns: z.array(nextRun),
    recentRuns: z.array(runView).describe('newest first'),
  })
  .describe('A task, how it stands, what comes next and what was.');

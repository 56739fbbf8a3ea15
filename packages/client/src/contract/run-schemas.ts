import { z } from 'zod';
import {
  apiError,
  backup,
  count,
  label,
  moment,
  name,
  percent,
  rate,
  runId,
  scope,
  taskName,
} from './words.ts';

export const runState = z
  .enum(['waiting', 'running', 'succeeded', 'failed', 'interrupted', 'cancelled', 'skipped'])
  .describe('`waiting` and `running` go on; `interrupted`: its process or node ended before it did');

export const uploadState = z
  .enum(['pending', 'uploading', 'confirming', 'stored', 'behind', 'failed'])
  .describe(
    '`confirming`: all was sent, and what is there is compared with it; `behind`: the backup exists without it, and it gets its copy later; `failed`: this run does not bring it there',
  );

export const runDestination = z
  .object({ name, state: uploadState, error: apiError.optional() })
  .describe('What becomes of a backup at one destination.');

export const destinationProgress = z
  .object({
    name,
    doneBytes: count,
    totalBytes: count.describe('may grow, never below done'),
    bytesPerSecond: rate,
    state: uploadState,
    estimatedEnd: moment.optional().describe('while bytes are on their way'),
    error: apiError.optional(),
  })
  .describe('How far the push to one destination is.');

export const runProgress = z
  .object({
    phase: label,
    percent: percent.describe('100 only when the run has ended well'),
    doneBytes: count,
    totalBytes: count.describe('may grow, never below done'),
    bytesPerSecond: rate,
    rows: count,
    tablesDone: count,
    tablesTotal: count,
    chunksDone: count,
    chunksTotal: count,
    estimatedEnd: moment.optional(),
    lastProgressAt: moment,
    stuck: z.boolean().describe('no progress for longer than is usual'),
    destinations: z.array(destinationProgress),
  })
  .describe('How far a running run is.');

export const runView = z
  .object({
    id: runId,
    task: taskName,
    scopeAsked: z.enum(['full', 'incremental', 'auto']),
    scopeMade: scope.optional().describe('known once the run has decided'),
    trigger: z
      .enum(['schedule', 'catch-up', 'owed', 'manual'])
      .describe('`catch-up`: missed while down; `owed`: a full that must come before the next incremental'),
    reason: label.describe('why it runs, and why with this scope'),
    occurrence: moment.optional().describe('the due time of its schedule'),
    due: moment.optional().describe('the occurrence and its jitter'),
    createdAt: moment,
    startedAt: moment.optional(),
    endedAt: moment.optional(),
    state: runState,
    waitingFor: label.optional().describe('while it waits: for what, in words'),
    node: name,
    generation: count,
    backup: backup.optional().describe('the backup that it made, or found to be the newest still'),
    outcome: z.enum(['stored', 'unchanged', 'resumed']).optional().describe('`unchanged`: nothing to store'),
    rows: count,
    changes: count.describe("of rows, an incremental's"),
    rawBytes: count,
    storedBytes: count,
    segments: count,
    notices: z.array(label),
    error: apiError.optional(),
    resumes: runId.optional().describe('the interrupted run that this one goes on with'),
    destinations: z
      .array(runDestination)
      .describe('of a run that works or has succeeded; empty before, and after a run that made nothing'),
    progress: runProgress.optional().describe('while it runs'),
  })
  .describe('One attempt at a backup.');

export const runStarted = z
  .object({
    run: runView,
    already: z.boolean().describe('true: the task was running, and this is that run; nothing was started'),
  })
  .describe('The run that was started, or the one that was there.');

export const runList = z
  .object({
    runs: z.array(runView).describe('newest first'),
    more: z.boolean().describe('older ones follow: ask again with `before` as the last `id`'),
  })
  .describe('Runs, newest first.');

export const runTable = z
  .object({
    table: label.describe('path of the table'),
    chunksDone: count.describe('chunks (partitions, key ranges) that are stored'),
    chunksTotal: count,
    rows: count,
    bytes: count.describe('raw'),
    percent: percent.describe('100 only when completed'),
    startedAt: moment.optional(),
    endedAt: moment.optional(),
    estimatedEnd: moment.optional().describe('while it is not completed'),
    completed: z.boolean(),
  })
  .describe('How far one table of a run is.');

export const runTables = z
  .object({ tables: z.array(runTable), total: count.describe('how many there are in all') })
  .describe('The tables of a run; the run is done when all of them are completed.');

export const logLine = z
  .object({
    at: moment,
    level: z.enum(['debug', 'info', 'warn', 'error']),
    text: label,
    run: runId.optional(),
    task: taskName.optional(),
  })
  .describe('A line of a log.');

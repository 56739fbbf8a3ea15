import { z } from 'zod';
import { destinationProgress } from './run-schemas.ts';
import { behind, goodBackup } from './task-schemas.ts';
import { apiError, backup, count, label, moment, name, taskName, word } from './words.ts';

export const copyState = z
  .enum(['waiting', 'running', 'succeeded', 'failed', 'cancelled'])
  .describe('`waiting`: for other copies; `cancelled`: its node stopped');

export const copyView = z
  .object({
    id: label.describe('known to its node until a later copy to the same destination has ended'),
    task: taskName,
    node: name.describe('who copies'),
    from: z.array(name).describe('where it is copied from; empty until it begins'),
    to: name,
    chains: z.enum(['all', 'lacking']).describe('`lacking`: only what a destination lacks that fell behind'),
    trigger: z.enum(['behind', 'manual']),
    state: copyState,
    createdAt: moment,
    startedAt: moment.optional(),
    endedAt: moment.optional(),
    progress: destinationProgress.optional().describe('of the backup that is on its way; while it runs'),
    backups: z.array(backup).describe('what it has brought; known at its end'),
    bytes: count.describe('sent; known at its end'),
    problems: z.array(label).describe('chains that could not be brought, and why'),
    error: apiError.optional(),
  })
  .describe("A task's backups on their way to a destination.");

export const copyStarted = z
  .object({
    copy: copyView,
    already: z.boolean().describe('true: one to that destination was there, and this is it'),
  })
  .describe('The copy that was started, or the one that was there.');

export const copyList = z
  .object({ copies: z.array(copyView) })
  .describe(
    'Copies of this node that wait or run, and the last one of each task and destination that ended.',
  );

const counters = z
  .object({
    writtenBytes: count.describe('what was there already, and was not sent, is not counted'),
    readBytes: count,
    requests: z.record(word, count).describe('by call: write, read, stat, list, delete …'),
    retries: count,
    failures: z.record(word, count).describe('by error code; those that were tried again too'),
  })
  .describe('What runs and copies of this node asked of it since the node started, when they had ended.');

export const destinationProbe = z
  .object({
    reachable: z.boolean(),
    error: apiError.optional().describe('also of one that is reachable and refuses to be listed'),
    usedBytes: count.optional().describe('of all objects there; absent when there are too many to look at'),
    freeBytes: count.optional().describe('of the disk; only of folders'),
  })
  .describe('What was seen just now.');

export const destinationTask = z
  .object({
    task: taskName,
    lastGood: goodBackup.optional().describe('the newest that this destination holds'),
    behind: behind.optional(),
  })
  .describe('How a destination stands with a task.');

export const destinationView = z
  .object({
    name,
    type: word,
    place: label.describe('its URL, without secrets'),
    disabled: z.boolean(),
    tasks: z.array(destinationTask).describe('those that use it'),
    counters,
    probe: destinationProbe.optional().describe('with `probe`'),
  })
  .describe('A place that keeps backups, and how it stands.');

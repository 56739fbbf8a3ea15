import { z } from 'zod';
import { duration, label, name, revision, word } from './words.ts';

const source = z
  .looseObject({ type: word })
  .describe("A database. The fields beside `type` are its driver's: `GET /schema/objects.json` has them.");

const destination = z
  .looseObject({
    type: word,
    disabled: z.boolean().exactOptional().describe('nothing new is pushed there; what is there stays'),
  })
  .describe("A place that keeps backups. The fields beside these are its driver's.");

const time = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'HH:MM');

const blackout = z
  .object({
    days: z.array(word).exactOptional().describe('`mon` … `sun`: the days on which it begins; absent: all'),
    from: time,
    to: time.describe('before `from`: on the next day'),
  })
  .describe("A weekly window in the task's time zone in which nothing starts by schedule.");

const task = z
  .object({
    source: name,
    type: z.enum(['logical', 'snapshot']),
    full: word.exactOptional().describe('cron expression, five fields or six (seconds first)'),
    incremental: word.exactOptional().describe('cron expression'),
    timezone: word.describe('IANA name'),
    destinations: z.array(name),
    require: z
      .union([z.literal('all'), z.int().min(1)])
      .describe('how many destinations must hold a backup for it to count'),
    disabled: z.boolean().exactOptional().describe('no occurrence is taken; runs by hand are refused'),
    jitter: duration.exactOptional().describe('each occurrence starts up to this much later'),
    blackout: z.array(blackout).exactOptional(),
    overdueAfter: duration
      .exactOptional()
      .describe('how long after an occurrence a good backup may be missing before the task is overdue'),
    behindAfter: duration
      .exactOptional()
      .describe('how long a destination may be behind before that is told; an hour by default'),
    staging: z
      .enum(['whole', 'stream'])
      .exactOptional()
      .describe('whether a backup lies whole in staging before it is pushed, or passes through'),
  })
  .describe('An ongoing backup task, as declared.');

const on = z.array(z.enum(['failure', 'recovery', 'overdue', 'behind'])).exactOptional();

const notification = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('webhook'),
      url: word,
      secret: word.exactOptional().describe('signs each message (HMAC-SHA-256); a placeholder'),
      on,
    }),
    z.object({
      type: z.literal('email'),
      server: word.describe('`smtp://user@host:587` or `smtps://…`'),
      from: word,
      to: z.array(word),
      on,
    }),
  ])
  .describe('Who is told when a task fails, recovers or is overdue, or a destination is behind.');

export const declaredObjects = z
  .object({
    sources: z.record(name, source),
    destinations: z.record(name, destination),
    tasks: z.record(name, task),
    notifications: z.record(name, notification),
  })
  .describe('What was declared, by name. Secrets are placeholders; they are never filled in here.');

export const objectsAnswer = z
  .object({
    revision,
    objects: declaredObjects,
    yaml: z.string().describe('the same as a file that `holdfast apply` takes'),
  })
  .describe('The declared objects as of one revision.');

const fileTextMax = 2 * 1024 * 1024;

export const objectFile = z
  .strictObject({
    name: word.describe('as people know it; errors name it'),
    text: z.string().max(fileTextMax).describe('YAML or JSON'),
  })
  .describe('A file of declared objects.');

export const objectsRequest = z
  .strictObject({
    files: z.array(objectFile).min(1).max(200).describe('together they declare; no name twice'),
    prune: z.boolean().default(false).describe('remove what is declared in none of the files'),
    revision: revision
      .optional()
      .describe('refuse with `conflict` unless the declared objects are still as of this revision'),
  })
  .describe('Files to compare with what is declared.');

export const objectKind = z.enum(['source', 'destination', 'task', 'notification']);

export const objectChange = z
  .object({
    action: z.enum(['add', 'change', 'remove']),
    kind: objectKind,
    name,
    fields: z
      .array(
        z.object({
          field: z.string().describe('dotted, from the object down'),
          from: z.unknown().optional(),
          to: z.unknown().optional(),
        }),
      )
      .describe('what differs; of an added or removed object all of its fields'),
  })
  .describe('How one object differs from what is declared.');

export const objectWarning = z
  .object({ where: z.string().describe('file and place, or object'), text: label })
  .describe('Allowed, and probably not meant.');

export const objectsPlan = z
  .object({
    revision: revision.describe('of the declared objects that the files were compared with'),
    changes: z.array(objectChange),
    warnings: z.array(objectWarning),
  })
  .describe('What applying the files would change.');

export const objectsApplied = objectsPlan
  .extend({
    revision: revision.describe('after it was applied'),
    applied: z.boolean().describe('false when there was nothing to change'),
  })
  .describe('What applying the files has changed.');

export const delivered = z.object({ delivered: z.literal(true) }).describe('The test message was taken.');

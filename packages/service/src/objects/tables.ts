import { type DeclaredTask, HoldfastError, type NotificationEvent } from '@holdfast/core';
import { z } from 'zod';
import { choice, duration, flag, group, list, objectName, secret, text, url } from '../config/fields.ts';
import { commonDestinationFields } from './common-fields.ts';
import { type DeclaredDriver, declaredDestinations, declaredSources } from './declared-drivers.ts';
import type { ScheduleRules } from './schedule-rules.ts';

/** The tables of everything that can be declared: the validator, the JSON Schema and the docs come from them. */
export interface ObjectTables {
  /** By the value of `type`. */
  readonly sources: TypedTables;
  readonly destinations: TypedTables;
  readonly task: z.ZodType<DeclaredTask>;
  readonly notifications: TypedTables;
}

export type TypedTables = Readonly<Record<string, z.ZodObject>>;

const taskDestinationsMax = 16;
const recipientsMax = 50;
const windowsMax = 50;

export function objectTables(rules: ScheduleRules): ObjectTables {
  return {
    sources: fromDrivers(declaredSources, () => ({})),
    destinations: fromDrivers(declaredDestinations, ({ takesCredentials = true }) =>
      commonDestinationFields({ takesCredentials }),
    ),
    task: taskTable(rules),
    notifications,
  };
}

/** `safeExtend` keeps what a driver's table checks across its fields, where `extend` would refuse. */
function fromDrivers(
  entries: readonly DeclaredDriver[],
  besides: (driver: DeclaredDriver) => z.ZodRawShape,
): TypedTables {
  return Object.fromEntries(
    entries.map((driver) => [
      driver.type,
      driver.declared
        .safeExtend({
          type: z.literal(driver.type).meta({ description: 'the kind of it' }),
          ...besides(driver),
        })
        .meta({ description: driver.declared.description ?? '' }),
    ]),
  );
}

function taskTable(rules: ScheduleRules) {
  const shape = {
    source: objectName('the source that is backed up'),
    type: choice(
      ['logical', 'snapshot'],
      'what a full backup is: compressed JSON, or a binary image',
    ).default('logical'),
    full: cron('when a full backup is due; this, `incremental` or both', rules).exactOptional(),
    incremental: cron('when an incremental backup is due', rules).exactOptional(),
    timezone: text({
      help: 'the IANA time zone of its schedules and windows',
      label: 'time zone',
      expected: 'an IANA time zone such as Europe/Berlin',
      check: asProblem(rules.assertTimezone),
    }).default('UTC'),
    destinations: list(objectName('a destination'), {
      help: 'the destinations that a backup is pushed to',
      expected: 'names of destinations',
      most: taskDestinationsMax,
    }),
    require: z
      .union(
        [
          z.literal('all'),
          z.int().min(1, { error: requireError }).max(taskDestinationsMax, { error: requireError }),
        ],
        { error: requireError },
      )
      .meta({
        title: 'all or number',
        description: 'how many destinations must hold a backup for it to count',
      })
      .default('all'),
    disabled: flag('nothing is started by schedule, and runs by hand are refused').exactOptional(),
    jitter: duration(
      { least: '0s', most: '24h' },
      'each occurrence starts up to this much later, always by the same amount for the same task',
    ).exactOptional(),
    blackout: z
      .array(blackoutWindow, { error: 'expected a list of windows' })
      .min(1, { error: 'is empty: expected a list of windows' })
      .max(windowsMax, { error: `expected at most ${windowsMax} windows` })
      .meta({ title: 'list of windows', description: 'while one of these lasts, nothing starts by schedule' })
      .exactOptional(),
    overdueAfter: duration(
      { least: '1m', most: '366d' },
      'how long after an occurrence a good backup may be missing before the task is overdue',
    ).exactOptional(),
    behindAfter: duration(
      { least: '1m', most: '366d' },
      'how long a destination may lack a backup that counts before that is told; an hour if it is left out',
    ).exactOptional(),
    staging: choice(
      ['whole', 'stream'],
      'whether a backup lies whole in staging before it is pushed, or passes through: for disks that are smaller than it',
    ).exactOptional(),
    nodes: nodePreference.exactOptional(),
  };
  const blackoutProblem = asProblem(rules.assertBlackout ?? (() => undefined));
  return group(shape, 'An ongoing backup task').superRefine((task, context) => {
    const noTime = task.blackout && blackoutProblem(task.blackout);
    if (noTime) context.addIssue({ code: 'custom', path: ['blackout'], message: noTime });
    if (task.full === undefined && task.incremental === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['full'],
        message: 'is missing: expected full, incremental or both',
      });
    }
    if (task.require !== 'all' && task.require > task.destinations.length) {
      const message = `expected all or a number up to that of its destinations, ${task.destinations.length}, not ${task.require}`;
      context.addIssue({ code: 'custom', path: ['require'], message });
    }
  });
}

const nodePreference = group(
  {
    prefer: objectName('the node that runs the task whenever it is alive').exactOptional(),
    pin: flag('no other node runs it, even if that means that none does').exactOptional(),
    tags: list(objectName('a tag'), {
      help: 'what a node must have, all of them, to run the task',
      label: 'list of names',
      expected: 'tags',
    }).exactOptional(),
  },
  'Which nodes may run the task, and which rather',
).superRefine(({ prefer, pin }, context) => {
  if (!pin || prefer !== undefined) return;
  context.addIssue({
    code: 'custom',
    path: ['prefer'],
    message: 'is missing: expected the node to pin the task to',
  });
});

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

const blackoutWindow = group(
  {
    days: list(choice(weekdays, 'a day of the week'), {
      help: 'the days on which it begins; every day if it is left out',
      label: `list of ${weekdays.join(', ')}`,
      expected: `days, ${weekdays.join(', ')}`,
      most: weekdays.length,
    }).exactOptional(),
    from: timeOfDay('when it begins', '23:59', /^(?:[01]\d|2[0-3]):[0-5]\d$/),
    to: timeOfDay(
      'when it ends: on the next day, if that is before `from`',
      '24:00',
      /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/,
    ),
  },
  "A weekly window, in the task's time zone",
).superRefine(({ from, to }, context) => {
  if (from === to) {
    context.addIssue({ code: 'custom', path: ['to'], message: `expected a time other than from, ${from}` });
  }
});

const events = ['failure', 'recovery', 'overdue', 'behind'] as const satisfies readonly NotificationEvent[];

/** The defaults are written into what is kept, so that a later version's others change nothing unasked. */
const on = list(choice(events, 'an event'), {
  help: 'what is told',
  label: `list of ${events.join(', ')}`,
  expected: `events, ${events.join(', ')}`,
  most: events.length,
}).default([...events]);

const mailPattern = /^(?:[^<>"\p{Cc}]{1,100} <[^\s@<>]+@[^\s@<>]+>|[^\s@<>]+@[^\s@<>]+)$/u;

const notifications: TypedTables = {
  webhook: group(
    {
      type: z.literal('webhook').meta({ description: 'the kind of it' }),
      url: url({
        help: 'where messages are posted to',
        schemes: ['https', 'http'],
        example: 'https://alerts.example/holdfast',
      }),
      secret: secret('signs each message (HMAC-SHA-256)').exactOptional(),
      on,
    },
    'A message by HTTP POST',
  ),
  email: group(
    {
      type: z.literal('email').meta({ description: 'the kind of it' }),
      server: url({
        help: 'the mail server',
        schemes: ['smtps', 'smtp'],
        example: 'smtps://holdfast:$' + '{env:MAIL_PASSWORD}@mail.example',
      }),
      from: mailAddress('the sender'),
      to: list(mailAddress('a recipient'), {
        help: 'the recipients',
        label: 'list of addresses',
        expected: 'mail addresses',
        most: recipientsMax,
      }),
      on,
    },
    'A message by mail',
  ),
};

function mailAddress(help: string) {
  return text({
    help,
    label: 'mail address',
    expected: 'a mail address such as dba@example.com',
    pattern: mailPattern,
  });
}

function timeOfDay(help: string, last: string, pattern: RegExp) {
  return text({
    help,
    label: 'time of day',
    expected: `a time of day from 00:00 to ${last}, such as "22:30"`,
    pattern,
  });
}

function cron(help: string, rules: ScheduleRules) {
  return text({
    help,
    label: 'cron expression',
    expected: 'a cron expression such as "0 2 * * *"',
    check: asProblem(rules.assertCron),
  });
}

/** A rule that throws as one that answers. */
function asProblem<T>(assert: (value: T) => void): (value: T) => string | undefined {
  return (value) => {
    try {
      assert(value);
      return undefined;
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (error.code !== 'config_invalid') throw error;
      return error.hint === undefined ? error.reason : `${error.reason}; ${error.hint}`;
    }
  };
}

function requireError({ input }: { readonly input?: unknown }): string {
  const said = typeof input === 'string' || typeof input === 'number' ? `, not ${JSON.stringify(input)}` : '';
  return `expected all or a whole number from 1 to ${taskDestinationsMax}${said}`;
}

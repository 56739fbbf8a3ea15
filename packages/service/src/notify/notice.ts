import type { Message } from '@holdfast/coordinator';
import { type ErrorRecord, version } from '@holdfast/core';

/** What one receiver is told at once: a message as it is in the outbox, several gathered ones, or a test. */
export interface Notice {
  readonly id: string;
  readonly event: Message['event'] | 'test';
  readonly atMs: number;
  readonly node: string;
  readonly text: string;
  readonly task?: string;
  /** That is behind, or has caught up. */
  readonly destination?: string;
  readonly run?: string;
  readonly error?: ErrorRecord;
  /** What was gathered, the oldest first; instead of `task`, `run` and `error`. */
  readonly tasks?: readonly GatheredMessage[];
}

export type GatheredMessage = Pick<
  Message,
  'id' | 'event' | 'task' | 'destination' | 'run' | 'atMs' | 'text' | 'error'
>;

/** An error may quote what a server said; a receiver reads the beginning, the rest is in the run's log. */
const textCharactersMax = 2_000;

/** In a list each has less room, so that the whole stays one that receivers take. */
const listedCharactersMax = 500;

/** The event that a gathered notice goes by: the worst of those in it. */
const worstFirst = [
  'failure',
  'overdue',
  'behind',
  'recovery',
] as const satisfies readonly Message['event'][];

/** One message for many. Its id is that of the first: what a receiver compares are the ids in the list. */
export function gather(messages: readonly [Message, ...Message[]]): Notice {
  const [first] = messages;
  const event = worstFirst.find((one) => messages.some((message) => message.event === one)) ?? first.event;
  return {
    id: `${first.id}+${messages.length - 1}`,
    event,
    atMs: first.atMs,
    node: first.node,
    text: `${messages.length} messages: ${counted(messages)}`,
    tasks: messages.map(({ id, task, destination, run, atMs, text, error, event: own }) => ({
      id,
      event: own,
      task,
      atMs,
      text,
      ...(destination !== undefined && { destination }),
      ...(run !== undefined && { run }),
      ...(error && { error }),
    })),
  };
}

function counted(messages: readonly Message[]): string {
  const count = (event: Message['event']): number => messages.filter((one) => one.event === event).length;
  return [
    [count('failure'), 'failed'],
    [count('overdue'), 'overdue'],
    [count('behind'), 'behind'],
    [count('recovery'), 'good again'],
  ]
    .filter(([number]) => number !== 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(', ');
}

/** The body of a webhook; docs/notifications.md describes it field by field. */
export function payloadOf(notice: Notice): Record<string, unknown> {
  return {
    id: notice.id,
    event: notice.event,
    ...whatHappened(notice, textCharactersMax),
    ...(notice.tasks && { tasks: notice.tasks.map(listed) }),
    node: notice.node,
    holdfast: version,
  };
}

function listed(message: GatheredMessage): Record<string, unknown> {
  return { id: message.id, event: message.event, ...whatHappened(message, listedCharactersMax) };
}

function whatHappened(
  { task, destination, run, text, error, atMs }: Notice | GatheredMessage,
  charactersMax: number,
): Record<string, unknown> {
  return {
    ...(task !== undefined && { task }),
    ...(destination !== undefined && { destination }),
    ...(run !== undefined && { run }),
    text: clip(text, charactersMax),
    ...(error && {
      error: {
        code: error.code,
        message: clip(error.message, charactersMax),
        ...(error.hint !== undefined && { hint: clip(error.hint, charactersMax) }),
      },
    }),
    at: new Date(atMs).toISOString(),
  };
}

export function clip(text: string, charactersMax = textCharactersMax): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1).toWellFormed()}…`;
}

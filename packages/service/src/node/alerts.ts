import type { Message, Step, TaskRecord } from '@holdfast/coordinator';
import type { DeclaredNotification, ErrorRecord, NotificationEvent } from '@holdfast/core';

export interface AlertContext {
  readonly notifications: Readonly<Record<string, DeclaredNotification>>;
  readonly node: string;
  readonly nowMs: number;
}

/**
 * What the end of a run has to tell: the first failure of a row of them, and the first success after. Each once: the
 * record says what has been told, and changes in the same transaction.
 */
export function messagesOfEnd(before: TaskRecord, after: Step, context: AlertContext): readonly Message[] {
  const { run, record } = after;
  if (run.state === 'failed' && before.failingSinceMs === undefined) {
    return messages('failure', record.task, context, {
      run: run.id,
      text: `backup of task ${record.task} failed: ${run.error?.message ?? 'no reason given'}`,
      ...(run.error && { error: run.error }),
    });
  }
  // Of one that is overdue the keeper says when it no longer is: an incremental is no answer to a full that is missing.
  if (
    run.state === 'succeeded' &&
    before.failingSinceMs !== undefined &&
    before.overdueSinceMs === undefined
  ) {
    const since = new Date(before.failingSinceMs).toISOString();
    return messages('recovery', record.task, context, {
      run: run.id,
      text: `task ${record.task} has a good backup again (${run.made?.backup ?? run.id}), after failing since ${since}`,
    });
  }
  return [];
}

export function messagesOfOverdue(
  record: TaskRecord,
  reason: string,
  context: AlertContext,
): readonly Message[] {
  return messages('overdue', record.task, context, { text: `task ${record.task} is overdue: ${reason}` });
}

export function messagesOfFresh(
  record: TaskRecord,
  reason: string,
  context: AlertContext,
): readonly Message[] {
  return messages('recovery', record.task, context, {
    text: `task ${record.task} is no longer overdue: ${reason}`,
  });
}

/** How a destination is told to be behind, and that it no longer is. */
export interface DestinationAlert {
  readonly destination: string;
  readonly context: AlertContext;
}

export function messagesOfBehind(record: TaskRecord, alert: DestinationAlert): readonly Message[] {
  const { destination, context } = alert;
  const behind = record.behind?.[destination];
  if (!behind) return [];
  const { sinceMs, backups, error } = behind;
  const since = new Date(sinceMs).toISOString();
  const lacks = backups === 1 ? 'a backup' : `${backups} backups`;
  const why = error ? `: ${error.message}` : '';
  return messages('behind', record.task, context, {
    destination,
    text: `destination ${destination} lacks ${lacks} of task ${record.task} since ${since}${why}`,
    ...(error && { error }),
  });
}

/** Only to those who were told that it was behind. */
export function messagesOfCaughtUp(
  before: TaskRecord,
  after: TaskRecord,
  { destination, context }: DestinationAlert,
): readonly Message[] {
  const was = before.behind?.[destination];
  if (was?.toldAtMs === undefined || after.behind?.[destination]?.toldAtMs !== undefined) return [];
  const since = new Date(was.sinceMs).toISOString();
  return messages('recovery', before.task, context, {
    destination,
    text: `destination ${destination} has caught up with task ${before.task}, after lacking backups since ${since}`,
  });
}

function messages(
  event: NotificationEvent,
  task: string,
  context: AlertContext,
  what: {
    readonly text: string;
    readonly run?: string;
    readonly destination?: string;
    readonly error?: ErrorRecord;
  },
): readonly Message[] {
  const about = what.destination === undefined ? task : `${task}-${what.destination}`;
  return Object.entries(context.notifications)
    .filter(([, { on }]) => on === undefined || on.includes(event))
    .map(([name]) => ({
      id: `${new Date(context.nowMs).toISOString()}-${about}-${event}-${name}`,
      event,
      task,
      atMs: context.nowMs,
      to: name,
      node: context.node,
      ...what,
    }));
}

/**
 * How records change: pure, one function per event in the life of a task. What they return is written in one
 * transaction, so that an occurrence is taken once, and a run ends once.
 */
import type { ErrorRecord, Scope } from '@holdfast/core';
import { leftBehind } from './behind.ts';
import { nextRunId, timeOfRun } from './keys.ts';
import type {
  GoodBackup,
  OwedRun,
  RunRecord,
  RunResult,
  RunTrigger,
  Settled,
  TaskRecord,
} from './records.ts';

/** A node that dies again and again with the same run does not begin it for ever: then the schedule decides. */
const interruptionsMax = 3;

/** More nodes than that are not lost in mid backup before one full is made. */
const forsakenMax = 20;

export interface Step {
  readonly record: TaskRecord;
  readonly run: RunRecord;
}

export function newTask(task: string, node: string, nowMs: number): TaskRecord {
  return {
    task,
    node,
    generation: 1,
    sinceMs: nowMs,
    settledMs: { full: nowMs, incremental: nowMs },
    lastGoodAt: {},
    runsCount: 0,
  };
}

export interface Start {
  readonly scope: Scope;
  /** Who carries it out; the responsible node by default. */
  readonly node?: string;
  readonly trigger: RunTrigger;
  readonly reason: string;
  readonly settledMs?: Settled;
  readonly occurrenceMs?: number;
  readonly dueMs?: number;
  readonly missed?: number;
  readonly newSource?: boolean;
}

/** A run is created, and what it stands for is settled. */
export function startRun(record: TaskRecord, start: Start, nowMs: number): Step {
  const { scope, trigger, reason, settledMs, occurrenceMs, dueMs, missed, newSource } = start;
  const node = start.node ?? record.node;
  const id = nextRunId(record.task, nowMs, record.lastRunId);
  const { owed, delayedUntilMs, ...rest } = record;
  // A run by hand does not move the schedule, nor what is owed.
  const taken = trigger === 'manual' ? undefined : owed;
  const run: RunRecord = {
    id,
    task: record.task,
    node,
    generation: record.generation,
    state: 'waiting',
    trigger,
    scope,
    reason,
    createdAtMs: nowMs,
    ...(occurrenceMs !== undefined && { occurrenceMs }),
    ...(dueMs !== undefined && { dueMs }),
    ...(missed ? { missed } : {}),
    ...(newSource ? { newSource } : {}),
    ...(taken?.resumes !== undefined && { resumes: taken.resumes }),
    ...(taken?.attempts !== undefined && { attempts: taken.attempts }),
  };
  return {
    run,
    record: {
      ...rest,
      ...(trigger === 'manual' && owed ? { owed } : {}),
      ...(trigger === 'manual' && delayedUntilMs !== undefined ? { delayedUntilMs } : {}),
      settledMs: settledMs ?? record.settledMs,
      running: { run: id, node, scope },
      lastRunId: id,
      lastAttempt: { run: id, atMs: nowMs, state: 'waiting' },
      runsCount: record.runsCount + 1,
    },
  };
}

export interface Skip {
  readonly scope: Scope;
  readonly reason: string;
  readonly settledMs: Settled;
  readonly occurrenceMs: number;
  readonly owed?: OwedRun | undefined;
}

/** An occurrence passes without a run, and history says why. */
export function skipped(record: TaskRecord, skip: Skip, nowMs: number): Step {
  const { scope, reason, settledMs, occurrenceMs, owed } = skip;
  const id = nextRunId(record.task, nowMs, record.lastRunId);
  const run: RunRecord = {
    id,
    task: record.task,
    node: record.node,
    generation: record.generation,
    state: 'skipped',
    trigger: 'schedule',
    scope,
    reason,
    occurrenceMs,
    createdAtMs: nowMs,
    endedAtMs: nowMs,
  };
  return {
    run,
    record: {
      ...record,
      settledMs,
      ...(owed && { owed }),
      lastRunId: id,
      runsCount: record.runsCount + 1,
    },
  };
}

export function beginRun({ record, run }: Step, nowMs: number): Step {
  const { running } = record;
  return {
    run: { ...run, state: 'running', startedAtMs: nowMs },
    record: { ...record, ...(running && { running: { ...running, startedAtMs: nowMs } }) },
  };
}

export type Outcome =
  | { readonly state: 'succeeded'; readonly made: RunResult }
  | { readonly state: 'failed' | 'cancelled' | 'interrupted'; readonly error: ErrorRecord };

/** How a run ends, whatever the end is. */
export function endRun(step: Step, outcome: Outcome, nowMs: number): Step {
  switch (outcome.state) {
    case 'succeeded':
      return succeedRun(step, outcome.made, nowMs);
    case 'failed':
      return failRun(step, outcome.error, nowMs);
    case 'cancelled':
      return cancelRun(step, outcome.error, nowMs);
    case 'interrupted':
      return interruptRun(step, outcome.error, nowMs);
  }
}

/** A good end: freshness, ownership of incrementals and the chain's head follow from it, and from nothing else. */
function succeedRun(step: Step, made: RunResult, nowMs: number): Step {
  const { record, run } = step;
  const beganMs = run.startedAtMs ?? run.createdAtMs;
  // What an interrupted run had read is as old as that run.
  const isOlder = made.outcome === 'resumed' && run.resumes !== undefined;
  const asOfMs = isOlder ? timeOfRun(run.resumes) : beganMs;
  const { scope, backup } = made;
  const good: GoodBackup = { run: run.id, scope, backup, asOfMs, endedAtMs: nowMs };
  const stored = made.destinations.filter((one) => one.stored).map(({ name }) => [name, good] as const);
  const { lastError: _error, failingSinceMs: _failing, behind: _behind, ...rest } = ended(step, 'succeeded');
  const isFull = made.scope === 'full';
  return {
    run: { ...run, state: 'succeeded', made, endedAtMs: nowMs },
    record: {
      ...rest,
      ...(isFull && ownershipAfter(rest, run, backup)),
      lastGood: good,
      ...(isFull && { lastGoodFull: good }),
      lastGoodAt: { ...record.lastGoodAt, ...Object.fromEntries(stored) },
      ...leftBehind({ behind: record.behind, run: run.id, made, nowMs }),
    },
  };
}

/**
 * The commit of a full grants the incrementals to the responsible node. One that made it on request gets nothing, and
 * takes nothing: the owner's chain goes on. One that lost the task meanwhile made a true backup, but no base for others.
 */
function ownershipAfter(
  record: TaskRecord,
  run: RunRecord,
  backup: string,
): Pick<TaskRecord, 'owner' | 'newest' | 'forsaken'> {
  if (run.generation !== record.generation || run.node !== record.node) return {};
  const [chain = backup] = backup.split('/');
  const owner = { node: run.node, generation: run.generation, chain };
  return { owner, newest: owner, forsaken: [] };
}

/** Whether the responsible node may make incrementals now. */
export function ownsIncrementals({ owner, node }: TaskRecord): boolean {
  return owner !== undefined && owner.node === node;
}

function failRun(step: Step, error: ErrorRecord, nowMs: number): Step {
  const { run, record } = step;
  return {
    run: { ...run, state: 'failed', error, endedAtMs: nowMs },
    record: {
      ...ended(step, 'failed'),
      lastError: { run: run.id, atMs: nowMs, error },
      failingSinceMs: record.failingSinceMs ?? nowMs,
    },
  };
}

/** Someone asked for it: not a failure. */
function cancelRun(step: Step, error: ErrorRecord, nowMs: number): Step {
  return {
    run: { ...step.run, state: 'cancelled', error, endedAtMs: nowMs },
    record: ended(step, 'cancelled'),
  };
}

/** Its node went away. It is owed, and goes on from staging where it can. */
function interruptRun(step: Step, error: ErrorRecord, nowMs: number): Step {
  const { run } = step;
  const record = ended(step, 'interrupted');
  const attempts = (run.attempts ?? 0) + 1;
  const owed: OwedRun = {
    scope: run.scope,
    atMs: nowMs,
    reason: `run ${run.id} was interrupted: it goes on`,
    resumes: run.id,
    attempts,
  };
  // What another node was asked for by hand is nothing that the responsible one owes.
  const isElsewhere = run.trigger === 'manual' && run.node !== record.node;
  const goesOn = attempts < interruptionsMax && record.removedAtMs === undefined && !isElsewhere;
  return {
    run: { ...run, state: 'interrupted', error, endedAtMs: nowMs },
    record: goesOn
      ? { ...record, owed: record.owed?.scope === 'full' ? { ...owed, scope: 'full' } : owed }
      : record,
  };
}

function ended({ record, run }: Step, state: RunRecord['state']): TaskRecord {
  const { running, ...rest } = record;
  return {
    ...rest,
    // Only its own end frees the task: another run may have it by now.
    ...(running && running.run !== run.id ? { running } : {}),
    lastAttempt: { run: run.id, atMs: run.createdAtMs, state },
  };
}

export function pauseTask(record: TaskRecord, nowMs: number): TaskRecord {
  return { ...record, pausedSinceMs: record.pausedSinceMs ?? nowMs };
}

/** What fell due during the pause is dropped: `settledMs` is what the schedule makes of now. */
export function resumeTask(record: TaskRecord, settledMs: Settled, nowMs: number): TaskRecord {
  const { pausedSinceMs, delayedUntilMs, overdueSinceMs, ...rest } = record;
  if (pausedSinceMs === undefined && delayedUntilMs === undefined) return record;
  return { ...rest, sinceMs: nowMs, settledMs };
}

/** Nothing starts before `untilMs`; then a run of that scope does, from scratch. */
export function delayTask(record: TaskRecord, scope: Scope, untilMs: number): TaskRecord {
  const until = new Date(untilMs).toISOString();
  return {
    ...record,
    delayedUntilMs: untilMs,
    owed: {
      scope: record.owed?.scope === 'full' ? 'full' : scope,
      atMs: untilMs,
      reason: `delayed until ${until}`,
    },
  };
}

/**
 * Another node is responsible, under the next generation, and the incrementals are nobody's until its full: unless it
 * made the newest chain itself, with which it goes on. What a node that is gone was doing is interrupted with it.
 */
export function moveTask(
  record: TaskRecord,
  node: string,
  o: { reason: string; lost?: string | undefined },
): TaskRecord {
  const { owner: _owner, notSuitable: _mark, ...rest } = record;
  const { newest } = record;
  const { reason, lost } = o;
  return {
    ...withForsaken(rest, lost === undefined ? [] : [lost]),
    node,
    nodeReason: reason,
    generation: record.generation + 1,
    ...(newest && newest.node === node && { owner: newest }),
  };
}

/** What these runs keep in the source is nobody's any more: the responsible node's next run ends it. */
export function withForsaken<T extends Pick<TaskRecord, 'forsaken'>>(record: T, runs: readonly string[]): T {
  if (runs.length === 0) return record;
  const { forsaken = [] } = record;
  return { ...record, forsaken: [...new Set([...forsaken, ...runs])].slice(-forsakenMax) };
}

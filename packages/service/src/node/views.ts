/** Records as the API shows them. Times become ISO text here and nowhere else. */
import type {
  BehindView,
  DestinationProgress as DestinationProgressView,
  FreshnessView,
  GoodBackup as GoodBackupView,
  RunDestination,
  RunProgressView,
  RunView,
  TaskView,
} from '@holdfast/client';
import type { Behind, GoodBackup, RunRecord, TaskRecord } from '@holdfast/coordinator';
import type { DeclaredObjects, DeclaredTask } from '@holdfast/core';
import { decideFreshness, decideTask, type Schedule } from '@holdfast/scheduler';
import type { DestinationProgress } from '../run-progress-upload.ts';
import { freshnessQuestion } from './freshness.ts';
import type { ActiveRun } from './runner.ts';
import { scheduleState } from './schedules.ts';

export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

export interface TaskViewContext {
  readonly nowMs: number;
  readonly objects: DeclaredObjects;
  readonly schedule: Schedule;
  readonly revision: number;
  readonly runningSinceMs?: number | undefined;
}

export function taskView(record: TaskRecord, spec: DeclaredTask, context: TaskViewContext): TaskView {
  const { nowMs, schedule } = context;
  const { lastAttempt, lastGood, lastGoodFull, lastGoodAt, lastError, running, owner, notSuitable } = record;
  const decision = decideTask(schedule, scheduleState(record, spec), nowMs);
  const next =
    decision.kind === 'idle'
      ? decision.next
      : decision.kind === 'start' && { atMs: nowMs, scope: decision.scope, reason: decision.reason };
  return {
    name: record.task,
    source: spec.source,
    type: spec.type,
    schedules: {
      timezone: spec.timezone,
      ...(spec.full !== undefined && { full: spec.full }),
      ...(spec.incremental !== undefined && { incremental: spec.incremental }),
    },
    destinations: spec.destinations,
    state: stateOf(record, spec, nowMs),
    ...(record.node !== '' && { node: record.node }),
    nodeReason:
      record.nodeReason ??
      (record.node === '' ? 'no node has it yet' : 'it has had the task from the beginning'),
    generation: record.generation,
    lastGoodByDestination: Object.fromEntries(
      Object.entries(lastGoodAt).map(([name, good]) => [name, goodView(good)]),
    ),
    behindByDestination: Object.fromEntries(
      Object.entries(record.behind ?? {}).map(([name, behind]) => [name, behindView(behind)]),
    ),
    freshness: freshnessView(record, spec, context),
    declaredRevision: context.revision,
    warnings: warningsOf(record, spec, context.objects),
    ...(notSuitable && {
      notSuitable: { since: isoOf(notSuitable.sinceMs), reason: notSuitable.reason },
    }),
    ...(owner && { owner: { node: owner.node, chain: owner.chain } }),
    ...(record.delayedUntilMs !== undefined && { delayedUntil: isoOf(record.delayedUntilMs) }),
    ...(running && { running: runningView(running, context.runningSinceMs) }),
    ...(lastAttempt && {
      lastAttempt: { run: lastAttempt.run, at: isoOf(lastAttempt.atMs), state: lastAttempt.state },
    }),
    ...(lastGood && { lastGood: goodView(lastGood) }),
    ...(lastGoodFull && { lastGoodFull: goodView(lastGoodFull) }),
    ...(lastError && { lastError: { ...lastError.error, run: lastError.run, at: isoOf(lastError.atMs) } }),
    ...(next && { next: { at: isoOf(next.atMs), scope: next.scope, reason: next.reason } }),
  };
}

function runningView(
  running: NonNullable<TaskRecord['running']>,
  sinceMs: number | undefined,
): TaskView['running'] {
  const { run, scope } = running;
  if (sinceMs === undefined) return { run, scope, state: 'waiting' };
  return { run, scope, state: 'running', startedAt: isoOf(sinceMs) };
}

export function stateOf(record: TaskRecord, spec: DeclaredTask, nowMs: number): TaskView['state'] {
  if (spec.disabled) return 'disabled';
  if (record.pausedSinceMs !== undefined) return 'paused';
  return (record.delayedUntilMs ?? 0) > nowMs ? 'delayed' : 'enabled';
}

export function freshnessView(
  record: TaskRecord,
  spec: DeclaredTask,
  context: TaskViewContext,
): FreshnessView {
  const { question, graceMs } = freshnessQuestion(record, spec, context.runningSinceMs);
  const { state, reason, runningTooLong, expectedMs, overdueSinceMs } = decideFreshness(
    context.schedule,
    question,
    context.nowMs,
    graceMs,
  );
  return {
    state,
    reason,
    runningTooLong,
    ...(expectedMs !== undefined && { expected: isoOf(expectedMs) }),
    ...(overdueSinceMs !== undefined && { overdueSince: isoOf(overdueSinceMs) }),
  };
}

/** What one should see without asking for it. */
function warningsOf(record: TaskRecord, spec: DeclaredTask, objects: DeclaredObjects): string[] {
  const isDisabled = (name: string): boolean => objects.destinations[name]?.disabled === true;
  if (spec.destinations.every(isDisabled)) return ['All backup destinations are disabled'];
  return [
    ...spec.destinations.filter(isDisabled).map((name) => `Destination ${name} is disabled`),
    ...Object.entries(record.behind ?? {}).map(([name, behind]) => behindText(name, behind)),
  ];
}

function behindText(name: string, { backups, sinceMs, error }: Behind): string {
  const lacks = backups === 1 ? 'a backup' : `${backups} backups`;
  return `Destination ${name} lacks ${lacks} since ${isoOf(sinceMs)}${error ? `: ${error.message}` : ''}`;
}

export function behindView({ sinceMs, run, backups, tries, lastTriedAtMs, error }: Behind): BehindView {
  return {
    since: isoOf(sinceMs),
    run,
    backups,
    tries,
    ...(lastTriedAtMs !== undefined && { lastTriedAt: isoOf(lastTriedAtMs) }),
    ...(error && { error }),
  };
}

export function goodView(good: GoodBackup): GoodBackupView {
  const { asOfMs, backup, scope } = good;
  return { at: isoOf(asOfMs), backup, scope };
}

export interface RunViewContext {
  readonly stuckAfterMs: number;
  /** By the place of the destination in the run's order. */
  readonly active?: ActiveRun | undefined;
}

export function runView(run: RunRecord, context: RunViewContext): RunView {
  const { made, error } = run;
  const { active } = context;
  const progress = active && run.state === 'running' ? progressView(active, context) : undefined;
  return {
    id: run.id,
    task: run.task,
    scopeAsked: run.scope,
    trigger: run.trigger,
    reason: made ? `${run.reason}; ${made.reason}` : run.reason,
    createdAt: isoOf(run.createdAtMs),
    state: run.state,
    node: run.node,
    generation: run.generation,
    rows: made?.rows ?? progress?.rows ?? 0,
    changes: made?.changes ?? 0,
    rawBytes: made?.rawBytes ?? progress?.doneBytes ?? 0,
    storedBytes: made?.storedBytes ?? 0,
    segments: made?.segments ?? 0,
    notices: noticesOf(run),
    destinations: progress?.destinations.map(statusOf) ?? destinationsOf(run),
    ...(made && { scopeMade: made.scope, backup: made.backup, outcome: made.outcome }),
    ...(run.occurrenceMs !== undefined && { occurrence: isoOf(run.occurrenceMs) }),
    ...(run.dueMs !== undefined && { due: isoOf(run.dueMs) }),
    ...(run.startedAtMs !== undefined && { startedAt: isoOf(run.startedAtMs) }),
    ...(run.endedAtMs !== undefined && { endedAt: isoOf(run.endedAtMs) }),
    ...(run.resumes !== undefined && { resumes: run.resumes }),
    ...(error && { error }),
    ...(run.state === 'waiting' && active?.waitingFor !== undefined && { waitingFor: active.waitingFor }),
    ...(progress && { progress }),
  };
}

function noticesOf({ made, missed }: RunRecord): string[] {
  const notices = [...(made?.notices ?? [])];
  if (missed)
    notices.unshift(
      `stands for ${missed} more occurrence${missed === 1 ? '' : 's'} that passed without a run`,
    );
  if (made?.gap !== undefined) notices.push(`gap: ${made.gap}`);
  for (const { name, stored, error } of made?.destinations ?? [])
    if (!stored)
      notices.push(`destination ${name} was left behind${error ? `: ${error.message}` : ''}; it catches up`);
  return notices;
}

/** Where the backup of a run that has ended well was at its end. */
function destinationsOf({ made }: RunRecord): RunDestination[] {
  return (made?.destinations ?? []).map(({ name, stored, error }) => ({
    name,
    state: stored ? 'stored' : 'behind',
    ...(error && { error }),
  }));
}

function statusOf({ name, state, error }: DestinationProgressView): RunDestination {
  return { name, state, ...(error && { error }) };
}

export function progressOfDestination(of: DestinationProgress, name: string): DestinationProgressView {
  const { doneBytes, totalBytes, bytesPerSecond, state, error, estimatedEndMs } = of;
  return {
    name,
    doneBytes,
    totalBytes,
    bytesPerSecond,
    state,
    ...(estimatedEndMs !== undefined && { estimatedEnd: isoOf(estimatedEndMs) }),
    ...(error && { error }),
  };
}

function progressView(
  { progress, destinations }: ActiveRun,
  { stuckAfterMs }: RunViewContext,
): RunProgressView {
  const view = progress.view();
  return {
    phase: view.phase,
    percent: view.percent,
    doneBytes: view.doneBytes,
    totalBytes: view.totalBytes,
    bytesPerSecond: view.bytesPerSecond,
    rows: view.rows,
    tablesDone: view.tablesDone,
    tablesTotal: view.tablesTotal,
    chunksDone: view.chunksDone,
    chunksTotal: view.chunksTotal,
    lastProgressAt: isoOf(view.lastProgressAtMs),
    stuck: progress.stuckSinceMs(stuckAfterMs) !== undefined,
    ...(view.estimatedEndMs !== undefined && { estimatedEnd: isoOf(view.estimatedEndMs) }),
    destinations: view.destinations.map((one) => progressOfDestination(one, destinations[one.index] ?? '?')),
  };
}

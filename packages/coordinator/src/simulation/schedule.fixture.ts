import type { DeclaredTask } from '@holdfast/core';
import type { Adopted } from '../assignments.ts';
import type { TaskRecord } from '../records.ts';
import { ownsIncrementals, type Skip, type Start } from '../transitions.ts';

/** A declared task whose schedules are milliseconds between due times, counted from 1970. */
export function declared(o: {
  readonly everyMs: number;
  readonly fullEvery: number;
  readonly nodes: DeclaredTask['nodes'];
}): DeclaredTask {
  return {
    source: 's',
    type: 'logical',
    full: String(o.everyMs * o.fullEvery),
    incremental: String(o.everyMs),
    timezone: 'UTC',
    destinations: ['near'],
    require: 'all',
    ...(o.nodes && { nodes: o.nodes }),
  };
}

export function adopted(spec: DeclaredTask): Adopted {
  return { schedule: `${spec.full} ${spec.incremental}`, disabled: false };
}

export type SimDecision =
  | { readonly kind: 'idle'; readonly wakeAtMs: number }
  | { readonly kind: 'start'; readonly start: Start }
  | { readonly kind: 'skip'; readonly skip: Skip };

/** The rule of schedules in its smallest form: what is owed first, then what is due; a full wins, and a new owner begins with one. */
export function decideDue(record: TaskRecord, spec: DeclaredTask, nowMs: number): SimDecision {
  const [fullMs, incrementalMs] = [Number(spec.full), Number(spec.incremental)];
  const { settledMs, running, owed } = record;
  const lastFull = Math.floor(nowMs / fullMs) * fullMs;
  const last = Math.floor(nowMs / incrementalMs) * incrementalMs;
  const isFullDue = lastFull > settledMs.full;
  const isDue = isFullDue || last > settledMs.incremental;
  const wakeAtMs = Math.max(last, settledMs.incremental) + incrementalMs;
  const settled = {
    full: isFullDue ? lastFull : settledMs.full,
    incremental: Math.max(last, settledMs.incremental),
  };
  if (record.removedAtMs !== undefined) return { kind: 'idle', wakeAtMs: Number.POSITIVE_INFINITY };
  const scope = isFullDue || !ownsIncrementals(record) ? 'full' : 'incremental';
  if (running) {
    if (!isDue) return { kind: 'idle', wakeAtMs };
    const skip = { scope, reason: 'still running', settledMs: settled, occurrenceMs: last } as const;
    return { kind: 'skip', skip };
  }
  if (owed)
    return {
      kind: 'start',
      start: {
        scope: ownsIncrementals(record) ? owed.scope : 'full',
        trigger: 'owed',
        reason: owed.reason,
      },
    };
  if (!isDue) return { kind: 'idle', wakeAtMs };
  const start = {
    scope,
    trigger: 'schedule',
    reason: 'due',
    settledMs: settled,
    occurrenceMs: last,
  } as const;
  return { kind: 'start', start };
}

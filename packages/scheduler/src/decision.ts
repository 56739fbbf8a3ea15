import type { Scope } from '@holdfast/core';

/** Occurrences at or before these moments are settled: taken, skipped, missed or dropped. */
export interface Settled {
  readonly full: number;
  readonly incremental: number;
}

/** A run that is owed besides the schedule. */
export interface OwedRun {
  readonly scope: Scope;
  /** Not before this moment. */
  readonly atMs: number;
  readonly reason: string;
}

/** What the store remembers of a task. */
export interface ScheduleState {
  readonly settledMs: Settled;
  /** There is a good full of this generation; else the next run is a full, whatever the schedule says. */
  readonly hasFull: boolean;
  /** A run of the task waits or runs. */
  readonly running: boolean;
  readonly paused: boolean;
  readonly disabled: boolean;
  /** A delayed run, one that goes on after an interruption, a full that was skipped because a run overran. */
  readonly owed?: OwedRun | undefined;
  /** Nothing starts before it; occurrences before it are dropped. */
  readonly delayedUntilMs?: number | undefined;
}

export interface NextRun {
  /** When it starts, if nothing else happens. */
  readonly atMs: number;
  readonly occurrenceMs: number;
  readonly scope: Scope;
  readonly reason: string;
}

export interface Idle {
  readonly kind: 'idle';
  readonly reason: string;
  /** Ask again at this moment, if nothing else happens before; absent: only an event (resume, enable) changes it. */
  readonly wakeAtMs?: number;
  readonly next?: NextRun;
}

export interface Start {
  readonly kind: 'start';
  readonly scope: Scope;
  /** The occurrence that the run stands for; of an owed run: since when it is owed. */
  readonly occurrenceMs: number;
  /** When it was to start: occurrence, jitter, end of a blackout window; of several, that of the oldest. */
  readonly dueMs: number;
  readonly settledMs: Settled;
  /** Occurrences that the run stands for besides its own. Counting ends at `countMax` of `count-occurrences.ts`. */
  readonly missed: number;
  readonly trigger: 'schedule' | 'catch-up' | 'owed';
  /** What was owed is no longer: this run is it, or stands for it too. */
  readonly settlesOwed: boolean;
  readonly reason: string;
}

/** Due while a run of the task waits or runs. */
export interface Skip {
  readonly kind: 'skip';
  readonly scope: Scope;
  /** The newest one that is skipped. */
  readonly occurrenceMs: number;
  readonly settledMs: Settled;
  /** How many occurrences are skipped: more than one where nobody asked in between. */
  readonly skipped: number;
  /** To be remembered instead of what was owed before; absent: that stays as it was. */
  readonly owed?: OwedRun;
  readonly reason: string;
}

/** Settled moments are written, and nothing else happens: the clock had been wrong. Ask again at once. */
export interface Settle {
  readonly kind: 'settle';
  readonly settledMs: Settled;
  readonly reason: string;
}

export type Decision = Idle | Start | Skip | Settle;

/** What the store remembers once a decision is acted on. */
export function afterDecision(state: ScheduleState, decision: Decision): ScheduleState {
  switch (decision.kind) {
    case 'idle':
      return state;
    case 'settle':
      return { ...state, settledMs: decision.settledMs };
    case 'skip':
      return { ...state, settledMs: decision.settledMs, owed: decision.owed ?? state.owed };
    case 'start':
      return {
        ...state,
        settledMs: decision.settledMs,
        running: true,
        delayedUntilMs: undefined,
        owed: decision.settlesOwed ? undefined : state.owed,
      };
  }
}

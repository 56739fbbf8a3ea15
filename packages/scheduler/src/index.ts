export { countOccurrences } from './count-occurrences.ts';
export { type Cron, parseCron } from './cron.ts';
export {
  decideFreshness,
  type Freshness,
  type FreshnessQuestion,
  type FreshnessState,
} from './decide-freshness.ts';
export { decideStarts, type StartLimits, type Starts, type WaitingRun } from './decide-starts.ts';
export { decideTask } from './decide-task.ts';
export {
  afterDecision,
  type Decision,
  type Idle,
  type NextRun,
  type OwedRun,
  type ScheduleState,
  type Settle,
  type Settled,
  type Skip,
  type Start,
} from './decision.ts';
export { nextOfEach, nextRuns, type PlannedRun } from './next-runs.ts';
export { nextOccurrence, occurrencesAfter, previousOccurrence } from './occurrences.ts';
export { blackoutUntil, compileSchedule, type Schedule, type ScheduleSpec } from './schedule.ts';
export { settleTo } from './settle-to.ts';
export { assertTimezone } from './timezone.ts';

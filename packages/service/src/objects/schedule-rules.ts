import type { BlackoutWindow } from '@holdfast/core';

/** What the scheduler knows of schedules; its functions throw HoldfastError config_invalid with what was expected. */
export interface ScheduleRules {
  assertCron(text: string): void;
  assertTimezone(text: string): void;
  /** Windows that are good each by itself may leave no time together. */
  assertBlackout?(windows: readonly BlackoutWindow[]): void;
}

/** For what only describes schedules and never judges one. */
export const anySchedule: ScheduleRules = {
  assertCron: () => undefined,
  assertTimezone: () => undefined,
};

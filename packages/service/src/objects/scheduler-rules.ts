import { HoldfastError } from '@holdfast/core';
import { assertTimezone, compileSchedule, parseCron } from '@holdfast/scheduler';
import type { ScheduleRules } from './schedule-rules.ts';

/** The rules of the scheduler that runs the tasks: what they let pass, it takes. */
export const schedulerRules: ScheduleRules = {
  assertCron: (text) => {
    parseCron(text);
  },
  assertTimezone,
  assertBlackout: (blackout) => {
    const task = 'task';
    try {
      compileSchedule({ task, full: '0 0 * * *', timezone: 'UTC', jitterMs: 0, blackout });
    } catch (caught) {
      const { code, reason, hint } = HoldfastError.from(caught);
      throw new HoldfastError(code, reason.replace(/^task task: (?:blackout: )?/, ''), { hint });
    }
  },
};

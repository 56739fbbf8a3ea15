import { HoldfastError } from '@holdfast/core';
import type { ScheduleRules } from './schedule-rules.ts';

/** Rules that are right about what the tests write, without a scheduler. */
export const testRules: ScheduleRules = {
  assertCron: (text) => {
    if (/^(?:\S+ ){4,5}\S+$/.test(text) && /^[\d*/, -]+$/.test(text)) return;
    throw new HoldfastError('config_invalid', `${JSON.stringify(text)} is no cron expression`, {
      hint: 'write five fields',
    });
  },
  assertTimezone: (text) => {
    if (text === 'UTC' || /^[A-Z]\w+\/\w+$/.test(text)) return;
    throw new HoldfastError('config_invalid', `there is no time zone ${JSON.stringify(text)}`);
  },
};

import { HoldfastError } from '@holdfast/core';

/** Some hours of each day. */
export interface RateWindow {
  /** `HH:MM`, as clocks in `timezone` show it. */
  readonly from: string;
  /** Not included; `24:00` is midnight. Before `from`, it is that of the next day. */
  readonly to: string;
  /** An IANA name. */
  readonly timezone: string;
  readonly bytesPerSecond: number;
}

/** How much may go through, by the time of day. Plain data: it crosses threads. */
export interface RatePlan {
  /** Outside all windows; no limit when it is left out. */
  readonly bytesPerSecond?: number | undefined;
  /** The first that is open holds. */
  readonly schedule?: readonly RateWindow[] | undefined;
}

/** The rate that holds at a moment; undefined is no limit. */
export function rateAt(plan: RatePlan, nowMs: number): number | undefined {
  const open = plan.schedule?.find((window) => isOpen(window, nowMs));
  return (open ?? plan).bytesPerSecond;
}

/** @throws HoldfastError config_invalid */
export function assertRatePlan(plan: RatePlan): void {
  const rates = [plan.bytesPerSecond, ...(plan.schedule ?? []).map(({ bytesPerSecond }) => bytesPerSecond)];
  for (const rate of rates) {
    if (rate === undefined || (Number.isFinite(rate) && rate >= 1)) continue;
    throw new HoldfastError('config_invalid', `${rate} bytes per second is no rate`, {
      hint: 'at least 1, or leave it out for no limit',
    });
  }
  for (const { from, to, timezone } of plan.schedule ?? []) {
    if (minutesOf(from) === undefined || minutesOf(from) === 1440) throw noTime(from);
    if (minutesOf(to) === undefined) throw noTime(to);
    try {
      Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone);
    } catch {
      throw new HoldfastError('config_invalid', `the time zone ${JSON.stringify(timezone)} is not known`, {
        hint: 'write an IANA name, such as Europe/Berlin',
      });
    }
  }
}

function isOpen({ from, to, timezone }: RateWindow, nowMs: number): boolean {
  const { hour, minute } = Temporal.Instant.fromEpochMilliseconds(nowMs).toZonedDateTimeISO(timezone);
  const now = hour * 60 + minute;
  const [start = 0, end = 0] = [minutesOf(from), minutesOf(to)];
  return start < end ? start <= now && now < end : start <= now || now < end;
}

function minutesOf(time: string): number | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$|^24:00$/.exec(time);
  if (!match) return undefined;
  return match[1] === undefined ? 1440 : Number(match[1]) * 60 + Number(match[2]);
}

function noTime(text: string): HoldfastError {
  return new HoldfastError('config_invalid', `${JSON.stringify(text)} is no time of day`, {
    hint: 'write hours and minutes, such as 08:00; the end of the day is 24:00',
  });
}

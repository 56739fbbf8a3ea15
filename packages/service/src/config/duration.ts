import { HoldfastError } from '@holdfast/core';

const unitsMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const form = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/;

export interface DurationRange {
  /** As a person writes it. */
  readonly least: string;
  readonly most: string;
}

/** Milliseconds of `15s`, `5m`, `1h30m`, `14d`: whole numbers with units, the largest first; undefined for others. */
export function durationMs(text: string): number | undefined {
  const match = form.exec(text);
  if (!match || text === '') return undefined;
  const ms = Object.values(unitsMs).reduce((sum, unit, i) => sum + Number(match[i + 1] ?? 0) * unit, 0);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** @throws HoldfastError config_invalid for what is no duration, or outside the range */
export function parseDuration(text: string, range: DurationRange): number {
  const ms = durationMs(text);
  if (ms !== undefined && isWithin(ms, range)) return ms;
  throw new HoldfastError('config_invalid', `expected ${durationForm(range)}, not ${JSON.stringify(text)}`);
}

export function isWithin(ms: number, { least, most }: DurationRange): boolean {
  return ms >= (durationMs(least) ?? 0) && ms <= (durationMs(most) ?? 0);
}

/** What a person is asked for. */
export function durationForm({ least, most }: DurationRange): string {
  return `a duration from ${least} to ${most} with its unit, such as 15s, 5m, 1h30m or 14d`;
}

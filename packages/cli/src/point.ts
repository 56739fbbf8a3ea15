import { HoldfastError, isChainName } from '@holdfast/core';

export type Point = { readonly timeMs: number } | { readonly backup: string };

// Temporal has no words for "a date and time, and perhaps a zone": these tell the cases apart, Temporal judges them.
const dateTime = /^\d{4}-?\d{2}-?\d{2}(?:[tT ]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d+)?)?)?)?/;
const zone = /(?:[zZ]|[+-]\d{2}(?::?\d{2})?)(?:\[[^\]]+\])?$/;

/**
 * A moment to restore to, or the name of a backup. A time without a zone is two moments to two people, so it is
 * refused with both spellings.
 *
 * @throws HoldfastError config_invalid
 */
export function parsePoint(
  text: string,
  localZone = new Intl.DateTimeFormat().resolvedOptions().timeZone,
): Point {
  const value = text.trim();
  if (isBackup(value)) return { backup: value };
  const clock = dateTime.exec(value)?.[0];
  if (clock === undefined) throw invalid(value, `is neither a time nor the name of a backup`);
  const rest = value.slice(clock.length);
  if (rest === '') throw withoutZone(value, localZone);
  if (!zone.test(rest) || clock.length <= 10) throw invalid(value, 'is not a time with a zone');
  try {
    return { timeMs: Temporal.Instant.from(value).epochMilliseconds };
  } catch {
    throw invalid(value, 'is no moment that exists');
  }
}

function isBackup(value: string): boolean {
  const [chain = '', sequence, ...more] = value.split('/');
  if (!isChainName(chain) || more.length > 0) return false;
  return sequence === undefined || /^\d{4,9}$/.test(sequence);
}

function withoutZone(value: string, localZone: string): HoldfastError {
  let local: Temporal.PlainDateTime;
  try {
    local = Temporal.PlainDateTime.from(value);
  } catch {
    return invalid(value, 'is no moment that exists');
  }
  const utc = `${spelt(local)}Z`;
  const zoned = local.toZonedDateTime(localZone);
  const here = `${spelt(zoned.toPlainDateTime())}${zoned.offset}`;
  const hint =
    zoned.offsetNanoseconds === 0
      ? `write ${utc}, or the offset of the zone that you mean, such as ${spelt(local)}+01:00`
      : `write ${utc} for UTC, or ${here} for this machine's zone (${localZone})`;
  return new HoldfastError('config_invalid', `--point ${value} has no time zone`, { hint });
}

function spelt(time: Temporal.PlainDateTime): string {
  return time.toString({ smallestUnit: time.millisecond === 0 ? 'second' : 'millisecond' });
}

function invalid(value: string, what: string): HoldfastError {
  return new HoldfastError('config_invalid', `--point ${value} ${what}`, {
    hint: 'a time looks like 2026-11-20T14:00:00Z, a backup like 20261120T140000Z-node-a-g3/0003 (see holdfast list)',
  });
}

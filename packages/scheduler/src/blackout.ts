import { type BlackoutWindow, HoldfastError } from '@holdfast/core';
import { zoneOf } from './zone.ts';

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Stretches of a week of wall time, from Monday 00:00, in order, that do not touch each other. */
export type Blackout = readonly { readonly fromMs: number; readonly toMs: number }[];

/**
 * Windows of a week, joined where they overlap.
 * @throws HoldfastError config_invalid when one cannot be read, or nothing is left of the week
 */
export function compileBlackout(task: string, windows: readonly BlackoutWindow[]): Blackout {
  const parts: { fromMs: number; toMs: number }[] = [];
  for (const window of windows) {
    const fromMs = timeOfDay(task, 'from', window.from);
    const toMs = timeOfDay(task, 'to', window.to);
    if (fromMs === toMs)
      throw invalid(task, `it ends when it begins, at ${window.to}`, 'a whole day is 00:00 to 24:00');
    for (const day of daysOf(task, window)) {
      const beginMs = day * dayMs + fromMs;
      const endMs = day * dayMs + toMs + (toMs < fromMs ? dayMs : 0);
      parts.push({ fromMs: beginMs, toMs: Math.min(endMs, weekMs) });
      // What goes past Sunday belongs to the beginning of the week.
      if (endMs > weekMs) parts.push({ fromMs: 0, toMs: endMs - weekMs });
    }
  }
  const joined = join(parts);
  if (joined[0]?.fromMs === 0 && joined[0].toMs === weekMs)
    throw invalid(
      task,
      'the windows leave no time of the week',
      'leave some time in which backups may start',
    );
  return joined;
}

/** When the blackout ends that lasts at a moment; undefined when there is none. */
export function blackoutEnd(blackout: Blackout, timezone: string, atMs: number): number | undefined {
  if (blackout.length === 0) return undefined;
  const zone = zoneOf(timezone);
  let ms = atMs;
  for (;;) {
    const { endMs, offsetMs } = zone.at(ms);
    const wall = ms + offsetMs;
    // 5 January 1970 was a Monday.
    const inWeek = (((wall - 4 * dayMs) % weekMs) + weekMs) % weekMs;
    const window = blackout.find(({ fromMs, toMs }) => fromMs <= inWeek && inWeek < toMs);
    if (window === undefined) return ms === atMs ? undefined : ms;
    // Where the wall clock is put forward or back before the window ends, the new wall time decides; and a window
    // that ends with the week may go on in the next.
    ms = Math.min(ms + window.toMs - inWeek, endMs);
  }
}

function join(parts: readonly { fromMs: number; toMs: number }[]): Blackout {
  const joined: { fromMs: number; toMs: number }[] = [];
  for (const part of parts.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = joined.at(-1);
    if (last && part.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, part.toMs);
    else joined.push({ ...part });
  }
  return joined;
}

function daysOf(task: string, window: BlackoutWindow): number[] {
  const days = (window.days ?? weekdays).map((day) => {
    const index = weekdays.indexOf(day.toLowerCase());
    if (index < 0) throw invalid(task, `days: "${day}" is none of ${weekdays.join(', ')}`, undefined);
    return index;
  });
  if (days.length === 0)
    throw invalid(task, 'days: the list is empty', 'leave days out for a window of every day');
  return days;
}

function timeOfDay(task: string, field: string, text: string): number {
  const [, hour, minute] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const minutes = Number(hour) * 60 + Number(minute);
  if (hour === undefined || minutes > 1440 || (field === 'from' && minutes === 1440))
    throw invalid(
      task,
      `${field}: "${text}" is not a time of day (HH:MM)`,
      'for example from: "08:00", to: "18:00"',
    );
  return minutes * 60_000;
}

function invalid(task: string, what: string, hint: string | undefined): HoldfastError {
  return new HoldfastError('config_invalid', `task ${task}: blackout: ${what}`, { hint });
}

import type { BlackoutWindow } from '@holdfast/core';
import { compileSchedule, type Schedule } from '../schedule.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** What happens to the world at a moment of real time, whatever the decisions are. */
export type Incident =
  | { readonly atMs: number; readonly kind: 'down' }
  | { readonly atMs: number; readonly kind: 'up' }
  | { readonly atMs: number; readonly kind: 'jump'; readonly byMs: number }
  | { readonly atMs: number; readonly kind: 'pause' | 'resume' | 'disable' | 'enable'; readonly task: number }
  | { readonly atMs: number; readonly kind: 'delay'; readonly task: number; readonly forMs: number };

export interface SimulatedTask {
  readonly schedule: Schedule;
  readonly blackout: readonly BlackoutWindow[];
  readonly source: string;
  /** How long its runs take: most of them the first, some the second. */
  readonly usualMs: number;
  readonly longMs: number;
}

export interface Scenario {
  readonly seed: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly tasks: readonly SimulatedTask[];
  readonly incidents: readonly Incident[];
  readonly limits: { readonly runsMax: number; readonly perSourceMax: number };
}

/** From 0 to below 1; the same sequence for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_769;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Summer in the north, summer in the south, and shifts at midnight and by half an hour.
const timezones = [
  ['Europe/Berlin', 'America/New_York', 'Africa/Casablanca'],
  ['America/Santiago', 'Australia/Sydney', 'Australia/Lord_Howe'],
  ['Africa/Cairo', 'Asia/Kolkata', 'UTC'],
] as const;
const fulls = [
  '30 2 * * 0',
  '0 2 * * *',
  '15 0 * * 1,4',
  '30 2 1,15 * *',
  '0 3 L * *',
  '0 23 * * 6',
  '45 1 * * 1#2',
];
// The frequent ones keep to the days around which clocks are shifted: a year has to pass in milliseconds.
const incrementals = [
  '0 */12 * * *',
  '30 2,14 * * *',
  '0 6 * * *',
  '15 1-4 * * 0',
  '*/30 * 24-30 3,4,9,10 0',
  '30 * 1-8 4,10,11 0',
  '*/20 8-11 1-7 * 3',
  '10 */6 * * 1,5',
];

/** A year of tasks in three zones, and of what may befall them. */
export function scenarioOf(seed: number): Scenario {
  const random = randomOf(seed);
  const between = (from: number, to: number): number => Math.floor(from + random() * (to - from));
  const pick = <T>(list: readonly T[]): T => list[between(0, list.length)] as T;
  const startMs = Date.UTC(between(2024, 2032), between(0, 12), between(1, 28));
  const endMs = startMs + 365 * dayMs;
  const tasks = timezones.map((some, index): SimulatedTask => {
    const both = random();
    const blackout = random() < 0.4 ? [blackoutWindow(between, random)] : [];
    const schedule = compileSchedule({
      task: `task-${index}-of-${seed}`,
      ...(both < 0.85 && { full: pick(fulls) }),
      ...(both > 0.25 && { incremental: pick(incrementals) }),
      timezone: pick(some),
      jitterMs: random() < 0.5 ? 0 : between(1, 3 * hourMs),
      blackout,
    });
    const longMs = random() < 0.5 ? 3 * hourMs : between(6, 40) * hourMs;
    const source = random() < 0.6 ? 'shared' : `own-${index}`;
    return { schedule, blackout, source, usualMs: between(1, 90) * minuteMs, longMs };
  });
  const limits = { runsMax: between(1, 3), perSourceMax: between(1, 3) };
  return { seed, startMs, endMs, tasks, incidents: incidentsOf(random, startMs, endMs), limits };
}

function blackoutWindow(between: (from: number, to: number) => number, random: () => number): BlackoutWindow {
  const two = (value: number): string => String(value).padStart(2, '0');
  const from = between(0, 24);
  const window = { from: `${two(from)}:00`, to: `${two((from + between(1, 12)) % 24)}:30` };
  return random() < 0.5 ? window : { ...window, days: ['sat', 'sun', 'mon'].slice(between(0, 2)) };
}

function incidentsOf(random: () => number, startMs: number, endMs: number): Incident[] {
  const incidents: Incident[] = [];
  const between = (from: number, to: number): number => Math.floor(from + random() * (to - from));
  const moment = (): number => between(startMs, endMs - 30 * dayMs);
  const span = (): number => (random() < 0.5 ? between(minuteMs, 12 * hourMs) : between(hourMs, 20 * dayMs));
  const times = (most: number, add: (atMs: number) => void): void => {
    for (let count = between(0, most + 1); count > 0; count--) add(moment());
  };
  times(6, (atMs) => incidents.push({ atMs, kind: 'down' }, { atMs: atMs + span(), kind: 'up' }));
  times(4, (atMs) => incidents.push({ atMs, kind: 'jump', byMs: random() < 0.5 ? hourMs : -hourMs }));
  for (const task of [0, 1, 2]) {
    times(3, (atMs) =>
      incidents.push({ atMs, kind: 'pause', task }, { atMs: atMs + span(), kind: 'resume', task }),
    );
    times(1, (atMs) =>
      incidents.push({ atMs, kind: 'disable', task }, { atMs: atMs + span(), kind: 'enable', task }),
    );
    times(3, (atMs) => incidents.push({ atMs, kind: 'delay', task, forMs: between(minuteMs, 3 * dayMs) }));
  }
  return incidents.sort((a, b) => a.atMs - b.atMs);
}

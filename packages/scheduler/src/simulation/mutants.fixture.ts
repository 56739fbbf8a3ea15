import { decideStarts } from '../decide-starts.ts';
import { decideTask } from '../decide-task.ts';
import type { Decision } from '../decision.ts';
import { dayMs, hourMs } from './scenario.fixture.ts';
import type { Deciders } from './world.fixture.ts';

/** A task's decisions, with one mistake. */
function changed(
  change: (decision: Decision, ...of: Parameters<typeof decideTask>) => Decision,
): Partial<Deciders> {
  return { decideTask: (...of) => change(decideTask(...of), ...of) };
}

/** Deciders with a mistake each, and the promise that each breaks. */
export const mutants: readonly (readonly [mistake: string, deciders: Partial<Deciders>, broken: RegExp])[] = [
  [
    'an occurrence that is taken is not settled',
    changed((d, _, state) => (d.kind === 'start' ? { ...d, settledMs: state.settledMs } : d)),
    /occurrences are settled, but it says/,
  ],
  [
    'the next hour is settled too',
    changed((d) => {
      if (d.kind !== 'start') return d;
      return {
        ...d,
        settledMs: { full: d.settledMs.full + hourMs, incremental: d.settledMs.incremental + hourMs },
      };
    }),
    /occurrences to come are settled/,
  ],
  [
    'what was missed is forgotten, and not said',
    changed((d) => (d.kind === 'start' && d.trigger === 'catch-up' ? { ...d, missed: 0 } : d)),
    /occurrences are settled, but it says/,
  ],
  [
    'an old occurrence is taken again',
    changed((d) => (d.kind === 'start' ? { ...d, occurrenceMs: d.occurrenceMs - 30 * dayMs } : d)),
    /settled before, or is none/,
  ],
  [
    'a run that goes on is not looked at',
    { decideTask: (schedule, state, nowMs) => decideTask(schedule, { ...state, running: false }, nowMs) },
    /a second run of a task/,
  ],
  [
    'a pause is not looked at',
    { decideTask: (schedule, state, nowMs) => decideTask(schedule, { ...state, paused: false }, nowMs) },
    /while paused/,
  ],
  [
    'being disabled is not looked at',
    { decideTask: (schedule, state, nowMs) => decideTask(schedule, { ...state, disabled: false }, nowMs) },
    /while paused or disabled/,
  ],
  [
    'a delay is not looked at',
    {
      decideTask: (schedule, state, nowMs) =>
        decideTask(schedule, { ...state, delayedUntilMs: undefined }, nowMs),
    },
    /before the delay is over|oversleep|but it says/,
  ],
  [
    'what a delay has dropped is not settled',
    changed((d, _, state) =>
      d.kind === 'start' && d.trigger === 'owed' && d.missed === 0 ? { ...d, settledMs: state.settledMs } : d,
    ),
    /but it says/,
  ],
  [
    'a blackout is not looked at',
    { decideTask: (schedule, state, nowMs) => decideTask({ ...schedule, blackout: [] }, state, nowMs) },
    /in a blackout window/,
  ],
  [
    'the jitter is forgotten when it is time to wake',
    changed((d) => (d.kind === 'idle' && d.wakeAtMs ? { ...d, wakeAtMs: d.wakeAtMs + hourMs } : d)),
    /oversleep/,
  ],
  [
    'it is always an incremental',
    changed((d) => (d.kind === 'start' ? { ...d, scope: 'incremental' } : d)),
    /replaced by an incremental|without a full/,
  ],
  [
    'a full that was skipped is not owed',
    changed((d) => {
      if (d.kind !== 'skip') return d;
      const { owed: _, ...rest } = d;
      return rest;
    }),
    /after a skipped full comes an incremental/,
  ],
  [
    'an owed run is never started',
    {
      decideTask: (schedule, { owed: _, ...state }, nowMs) => decideTask(schedule, state, nowMs),
    },
    /a run is owed, and nothing happens|after a skipped full|oversleep/,
  ],
  [
    'nothing is ever due',
    changed((d) => (d.kind === 'start' ? { kind: 'idle', reason: 'later' } : d)),
    /an occurrence is due, and nothing happens/,
  ],
  [
    'the node has no limit',
    {
      decideStarts: (waiting, running, limits) => decideStarts(waiting, running, { ...limits, runsMax: 100 }),
    },
    /more runs than the node/,
  ],
  [
    'a source has no limit',
    {
      decideStarts: (waiting, running, limits) =>
        decideStarts(waiting, running, { ...limits, perSourceMax: 100 }),
    },
    /more runs than a source/,
  ],
  [
    'what is held starts',
    {
      decideStarts: (waiting, running, limits) =>
        decideStarts(
          waiting.map((one) => ({ ...one, held: undefined })),
          running,
          limits,
        ),
    },
    /a run starts in a|disabled task starts/,
  ],
  [
    'the first that waits holds up all others',
    {
      decideStarts: (waiting, running, limits) => {
        const all = decideStarts(waiting, running, limits);
        const oldest = waiting.toSorted((a, b) => a.dueMs - b.dueMs)[0]?.run ?? '';
        return all.start.includes(oldest) ? all : { ...all, start: [] };
      },
    },
    /a run waits, though there is room/,
  ],
  [
    'the youngest comes first',
    {
      decideStarts: (waiting, running, limits) =>
        decideStarts(
          waiting.map((one) => ({ ...one, dueMs: -one.dueMs })),
          running,
          limits,
        ),
    },
    /a younger run/,
  ],
  [
    'nothing that waits ever starts',
    { decideStarts: () => ({ start: [], waiting: [] }) },
    /a run waits, though there is room/,
  ],
];

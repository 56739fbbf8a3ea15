import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { type Ending, type Service, Supervisor } from './supervisor.ts';

const silent = pino({ level: 'silent' });
const broken = new HoldfastError('unavailable', 'it does not answer');

/** Begins, works for a while, and fails; until it is asked to end. */
function failing(clock: FakeClock, worksForMs: number): Service & { readonly startedAtMs: number[] } {
  const startedAtMs: number[] = [];
  return {
    name: 'failing',
    startedAtMs,
    run: async ({ drain }) => {
      startedAtMs.push(clock.elapsed());
      await clock.sleep(worksForMs, drain).catch(() => undefined);
      if (!drain.aborted) throw broken;
    },
  };
}

function endings(): { drain: AbortController; stop: AbortController; ending: Ending } {
  const drain = new AbortController();
  const stop = new AbortController();
  return { drain, stop, ending: { drain: drain.signal, stop: stop.signal } };
}

function waitsOf({ startedAtMs }: { readonly startedAtMs: readonly number[] }, worksForMs: number): number[] {
  return startedAtMs.slice(1).map((ms, at) => ms - (startedAtMs[at] ?? 0) - worksForMs);
}

it('runs a service that fails again, each time later, up to a minute', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  const service = failing(clock, 0);
  const running = new Supervisor({ clock, logger: silent }).run([service], ending);
  await clock.advance(400_000);
  expect(waitsOf(service, 0)).toEqual([
    500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000, 60_000,
  ]);
  drain.abort();
  await running;
});

it('waits shortly again for a service that had worked for a minute', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  const service = failing(clock, 60_000);
  const running = new Supervisor({ clock, logger: silent }).run([service], ending);
  await clock.advance(300_000);
  expect(waitsOf(service, 60_000)).toEqual([500, 500, 500, 500]);
  drain.abort();
  await running;
});

it('says of each service whether it works, how often it has failed, and why it last did', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  const supervisor = new Supervisor({ clock, logger: silent });
  const running = supervisor.run([failing(clock, 1000)], ending);
  await clock.advance(999);
  expect(supervisor.states).toEqual([{ name: 'failing', state: 'working', failures: 0 }]);
  await clock.advance(1);
  const lastError = '[unavailable] it does not answer';
  expect(supervisor.states).toEqual([{ name: 'failing', state: 'waiting', failures: 1, lastError }]);
  await clock.advance(500);
  expect(supervisor.states).toEqual([{ name: 'failing', state: 'working', failures: 1, lastError }]);
  drain.abort();
  await running;
  expect(supervisor.states).toMatchObject([{ state: 'ended' }]);
});

it('leaves the other services alone when one fails', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  let starts = 0;
  const well: Service = {
    name: 'well',
    run: async ({ drain: end }) => {
      starts++;
      await clock.sleep(3_600_000, end).catch(() => undefined);
    },
  };
  const running = new Supervisor({ clock, logger: silent }).run([failing(clock, 1), well], ending);
  await clock.advance(100_000);
  expect(starts).toBe(1);
  drain.abort();
  await running;
});

it('takes an end that nobody asked for as a failure', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => lines.push(line) });
  const supervisor = new Supervisor({ clock, logger });
  const running = supervisor.run([{ name: 'short', run: async () => undefined }], ending);
  await clock.advance(0);
  expect(supervisor.states).toMatchObject([{ state: 'waiting' }]);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ component: 'short', code: 'internal', waitMs: 500 });
  drain.abort();
  await running;
});

it('ends at once when it is drained while a service waits to be run again', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  const service = failing(clock, 0);
  const running = new Supervisor({ clock, logger: silent }).run([service], ending);
  await clock.advance(10);
  drain.abort();
  await running;
  expect(service.startedAtMs).toHaveLength(1);
  expect(clock.sleeping).toBe(0);
});

it('does not run a service again that fails while it is drained', async () => {
  const clock = new FakeClock();
  const { drain, ending } = endings();
  let starts = 0;
  const service: Service = {
    name: 'bad end',
    run: async ({ drain: end }) => {
      starts++;
      await clock.sleep(10_000, end).catch(() => undefined);
      throw broken;
    },
  };
  const running = new Supervisor({ clock, logger: silent }).run([service], ending);
  await clock.advance(1);
  drain.abort();
  await running;
  expect(starts).toBe(1);
});

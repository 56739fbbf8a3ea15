import { fileURLToPath } from 'node:url';
import { type Clock, HoldfastError, type RunEvent, SystemClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { runInChild } from './run-parent.ts';
import { RunProcess } from './run-process.ts';
import type { CheckRun } from './run-request.ts';

const entry = fileURLToPath(new URL('./run-child.fixture.ts', import.meta.url));

/** Nothing in these tests waits: a sleep ends when the test says so. */
class HeldClock implements Clock {
  readonly slept: number[] = [];
  #wake: (() => void) | undefined;
  now = (): number => 0;
  elapsed = (): number => 0;
  sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
  wake(): void {
    this.#wake?.();
  }
}

function checkRun(behaviour: string): CheckRun {
  return { kind: 'check', at: 'file:./nowhere', request: { task: behaviour, paths: [] } };
}

interface Started {
  readonly outcome: Promise<unknown>;
  readonly events: RunEvent[];
  readonly stop: AbortController;
  readonly kill: AbortController;
  readonly clock: HeldClock;
  /** Resolves with the first event. */
  readonly begun: Promise<void>;
}

function start(behaviour: string): Started {
  const events: RunEvent[] = [];
  const stop = new AbortController();
  const kill = new AbortController();
  const clock = new HeldClock();
  const begun = Promise.withResolvers<void>();
  const outcome = runInChild(checkRun(behaviour), {
    observer: (event) => {
      events.push(event);
      begun.resolve();
    },
    signal: stop.signal,
    killSignal: kill.signal,
    clock,
    process: RunProcess.start({ entry }),
  }).catch((error: unknown) => error);
  return { outcome, events, stop, kill, clock, begun: begun.promise };
}

describe('a run in a process of its own', () => {
  it('answers with the report, after all events', async () => {
    const { outcome, events } = start('done');
    expect(await outcome).toMatchObject({ backups: 7 });
    expect(events.map((event) => event.kind)).toEqual(['progress', 'notice']);
  });

  it('fails with the error of the run, its hint, and its stack as the cause', async () => {
    const error = await start('fail').outcome;
    expect(error).toMatchObject({ code: 'corrupt', reason: 'bytes differ', hint: 'look', exitCode: 4 });
    expect((error as { cause: Error }).cause.stack).toBe('at the place');
  });

  it('blames the environment when the process is killed', async () => {
    expect(await start('kill').outcome).toMatchObject({
      code: 'unavailable',
      reason: "the run's process was ended by SIGKILL",
      hint: expect.stringContaining('run the same command again'),
      exitCode: 3,
    });
  });

  it('says so when the process runs out of memory', async () => {
    expect(await start('out-of-memory').outcome).toMatchObject({ code: 'exhausted' });
  });

  it('calls an exit without an answer a bug, and keeps what was printed', async () => {
    const error = await start('crash').outcome;
    expect(error).toMatchObject({ code: 'internal', reason: expect.stringContaining('exit code 9') });
    expect((error as { cause: Error }).cause.message).toContain('about to crash');
  });

  it('tells the run to stop, and why', async () => {
    const { outcome, stop, begun } = start('obey');
    await begun;
    stop.abort(new HoldfastError('lease_lost', 'node-b took over'));
    expect(await outcome).toMatchObject({ code: 'lease_lost', reason: 'node-b took over' });
  });

  it('kills a run that does not stop in 10 s', async () => {
    const { outcome, stop, clock, begun } = start('hang');
    await begun;
    stop.abort(new HoldfastError('cancelled', 'stopped by SIGTERM'));
    expect(clock.slept).toEqual([10_000]);
    clock.wake();
    expect(await outcome).toMatchObject({ code: 'cancelled', exitCode: 130 });
  });

  it('kills at once on a second request to stop', async () => {
    const { outcome, stop, kill, begun } = start('hang');
    await begun;
    stop.abort(new HoldfastError('cancelled', 'stopped by SIGINT'));
    kill.abort();
    expect(await outcome).toMatchObject({
      code: 'cancelled',
      reason: "stopped by SIGINT; the run's process had to be killed",
    });
  });

  it('starts nothing when it is already told to stop', async () => {
    const signal = AbortSignal.abort(new HoldfastError('timeout', 'too late'));
    const o = { observer: () => undefined, signal, clock: new SystemClock() };
    await expect(runInChild(checkRun('done'), o)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('leaves no process behind when no request ever comes', async () => {
    const child = RunProcess.start({ entry });
    const { pid } = child;
    await child[Symbol.asyncDispose]();
    expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH');
  });
});

describe('the real run process', () => {
  it('answers with what is wrong with the request', async () => {
    const o = { observer: () => undefined, signal: new AbortController().signal, clock: new SystemClock() };
    const request: CheckRun = { kind: 'check', at: 'nosuch://place', request: { paths: [] } };
    await expect(runInChild(request, o)).rejects.toMatchObject({
      code: 'config_invalid',
      reason: expect.stringContaining('nosuch:'),
    });
  });
});

/** Time and chance of a simulation: one clock for everything, of which each life of a node can be cut off. */
import { createHook } from 'node:async_hooks';
import type { Clock } from '@holdfast/core';
import type { FakeClock } from '@holdfast/testing';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

/** A number from 0 to below 1, the same sequence for the same seed (mulberry32). */
export type Random = () => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number for a text, so that chance does not depend on the order in which things happen. */
export function seedOf(text: string): number {
  let hash = 2166136261;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619);
  return hash >>> 0;
}

export function pick<T>(random: Random, of: readonly T[]): T {
  if (of.length === 0) throw new Error('nothing to pick from');
  return of[Math.floor(random() * of.length)] as T;
}

export function between(random: Random, least: number, most: number): number {
  return Math.floor(least + random() * (most - least));
}

/** Who waits for the fake clock, so that the simulation can go from one moment at which something happens to the next. */
export class Waits {
  readonly #dues = new Set<{ readonly dueMs: number }>();

  add(dueMs: number): () => void {
    const due = { dueMs };
    this.#dues.add(due);
    return () => this.#dues.delete(due);
  }

  get size(): number {
    return this.#dues.size;
  }

  get nextMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#dues) next = Math.min(next, dueMs);
    return next;
  }
}

/** One for all: an error of its own for each sleep costs seconds in a month. */
const over = new Error('no longer waited for');

/** What dead processes wait for: kept, for what waits has files open, which must not be closed behind its back. */
const graves: Promise<unknown>[] = [];

export function forEver<T>(): Promise<T> {
  const grave = new Promise<T>(() => undefined);
  graves.push(grave);
  return grave;
}

/**
 * The clock of one life of a node. After `cut` nobody who sleeps on it ever wakes, not even to be told of an abort: the
 * process is dead. Regular looks may be made rarer, or a month would take minutes.
 */
export class LifeClock implements Clock {
  readonly #clock: FakeClock;
  readonly #waits: Waits;
  readonly #stretch: (ms: number) => number;
  readonly #cuts = new Set<() => void>();
  #dead = false;

  constructor(clock: FakeClock, waits: Waits, stretch: (ms: number) => number = (ms) => ms) {
    this.#clock = clock;
    this.#waits = waits;
    this.#stretch = stretch;
  }

  now(): number {
    return this.#clock.now();
  }

  elapsed(): number {
    return this.#clock.elapsed();
  }

  get sleeping(): number {
    return this.#cuts.size;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const slept = new Promise<void>((resolve, reject) => {
      const bury = (): void => {
        // In a microtask: by then it has its name.
        queueMicrotask(() => graves.push(slept));
      };
      if (this.#dead) {
        bury();
        return;
      }
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const own = new AbortController();
      const forMs = this.#stretch(ms);
      const forget = this.#waits.add(this.#clock.elapsed() + Math.max(0, forMs));
      const stop = (): void => end(() => reject(signal.reason));
      const end = (settle: () => void): void => {
        forget();
        signal.removeEventListener('abort', stop);
        this.#cuts.delete(cut);
        own.abort(over);
        settle();
      };
      const cut = (): void => end(bury);
      this.#cuts.add(cut);
      signal.addEventListener('abort', stop, { once: true });
      this.#clock.sleep(forMs, own.signal).then(
        () => end(resolve),
        () => undefined,
      );
    });
    return slept;
  }

  cut(): void {
    this.#dead = true;
    for (const cut of [...this.#cuts]) cut();
  }
}

/** Looks that a node makes all the time: to the whole minute, at which schedules are due, and rarer than it does. */
export function rarer(clock: FakeClock): (ms: number) => number {
  return (ms) => {
    if (ms === 15_000) return minuteMs - (clock.now() % minuteMs);
    if (ms === 5_000) return 5 * minuteMs;
    if (ms === 10_000) return 6 * hourMs;
    if (ms === 30_000 || ms === 60_000) return 10 * minuteMs;
    return ms;
  };
}

/** Calls to the file system that have not come back. `process.getActiveResourcesInfo` does not name all of them. */
const atWork = new Set<number>();
const disk = /^(FSREQ|FILEHANDLECLOSEREQ)/;
let allBack: (() => void) | undefined;
let isWatching = false;

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  const end = (id: number): void => {
    if (atWork.delete(id) && atWork.size === 0) allBack?.();
  };
  createHook({
    trackPromises: false,
    init: (id, type) => {
      if (disk.test(type)) atWork.add(id);
    },
    after: end,
    destroy: end,
  }).enable();
}

/** Until nothing goes on any more but waiting for the clock, which would make a disk of ours take hours. */
export async function quiet(): Promise<void> {
  watch();
  for (let still = 0; still < 2; still++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (atWork.size === 0) continue;
    still = -1;
    await new Promise<void>((resolve) => {
      allBack = resolve;
    });
  }
}

import type { Clock } from '@holdfast/core';
import type { SimulatedTime } from './simulated-time.ts';

export interface SimulatedMachineOptions {
  readonly time: SimulatedTime;
  /** What its wall clock says at the beginning of the world. */
  readonly wallMs?: number;
  /** How many of its milliseconds pass in one of the world's. */
  readonly rate?: number;
}

/** A machine on which processes live one after the other. Its clock may be wrong, and all that runs on it may stand still. */
export class SimulatedMachine {
  readonly time: SimulatedTime;
  readonly rate: number;
  /** Added to what the wall clock says; a person or NTP may change it. */
  wallMs: number;
  #isPaused = false;
  #held: (() => void)[] = [];

  constructor({ time, wallMs = Date.UTC(2026, 10, 20, 14), rate = 1 }: SimulatedMachineOptions) {
    this.time = time;
    this.rate = rate;
    this.wallMs = wallMs;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** As SIGSTOP does: neither timers nor answers run. */
  pause(): void {
    this.#isPaused = true;
  }

  /** As SIGCONT: what came meanwhile runs, each in a step of its own, in an order that the caller chooses. */
  resume(order: <T>(waiting: T[]) => T[] = (waiting) => waiting): void {
    this.#isPaused = false;
    const held = order(this.#held);
    this.#held = [];
    for (const act of held) this.time.after(0, () => this.run(act));
  }

  /** Runs it now, or when the pause is over. */
  run(act: () => void): void {
    if (this.#isPaused) this.#held.push(act);
    else act();
  }

  boot(): SimulatedProcess {
    return new SimulatedProcess(this);
  }
}

/** One life of a process: its clock, and how anything reaches it. After its death nothing does. */
export class SimulatedProcess implements Clock {
  readonly machine: SimulatedMachine;
  readonly #startedMs: number;
  #isAlive = true;

  constructor(machine: SimulatedMachine) {
    this.machine = machine;
    this.#startedMs = machine.time.nowMs;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
  }

  now(): number {
    return Math.floor(this.machine.wallMs + this.machine.time.nowMs * this.machine.rate);
  }

  elapsed(): number {
    return (this.machine.time.nowMs - this.#startedMs) * this.machine.rate;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const callOff = this.after(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        callOff();
        reject(signal.reason);
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** After so much time by its own clock. Returns how to call it off. */
  after(ms: number, act: () => void): () => void {
    let isOff = false;
    const callOff = this.machine.time.after(ms / this.machine.rate, () =>
      this.reach(() => {
        if (!isOff) act();
      }),
    );
    return () => {
      isOff = true;
      callOff();
    };
  }

  /** Something from outside arrives. */
  reach(act: () => void): void {
    if (!this.#isAlive) return;
    this.machine.run(() => {
      if (this.#isAlive) act();
    });
  }
}

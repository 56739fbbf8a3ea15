import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedStore } from './simulated-store.ts';

/** What the line between one machine and the store does now. Probabilities are from 0 to 1. */
export interface LineFaults {
  /** Requests do not get there. */
  readonly requestsCut: boolean;
  /** Answers, and what watches have to tell, do not come back. */
  readonly answersCut: boolean;
  readonly lostRequests: number;
  readonly lostAnswers: number;
  /** The request arrives a second time. */
  readonly doubledRequests: number;
  /** The request arrives long after the caller has given up. */
  readonly lateRequests: number;
  /** A watch fails as a call would, in place of being silent. */
  readonly brokenWatches: number;
  /** Of each way, from nothing to so much. Without any, everything happens at once. */
  readonly delayMaxMs: number;
}

export const noFaults: LineFaults = {
  requestsCut: false,
  answersCut: false,
  lostRequests: 0,
  lostAnswers: 0,
  doubledRequests: 0,
  lateRequests: 0,
  brokenWatches: 0,
  delayMaxMs: 0,
};

/** How much later than usual a late request arrives, at most. */
const lateMaxMs = 20_000;

/** The line of one machine: it outlives the processes on it. */
export class FaultyLine {
  faults: LineFaults = noFaults;
  readonly store: SimulatedStore;
  readonly random: SeededRandom;

  constructor(o: { readonly store: SimulatedStore; readonly random: SeededRandom }) {
    this.store = o.store;
    this.random = o.random;
  }

  /** Whether what the store sends arrives now. */
  get isHeard(): boolean {
    return !this.faults.answersCut && !this.store.isDown;
  }

  /** Asks the store, any number of times; each answer that arrives is told. */
  ask<T>(process: SimulatedProcess, execute: () => T, answered: (answer: () => T) => void): void {
    const { random, faults } = this;
    const isDoubled = faults.doubledRequests > 0 && random.chance(faults.doubledRequests);
    for (let copies = isDoubled ? 2 : 1; copies > 0; copies -= 1) {
      if (faults.lostRequests > 0 && random.chance(faults.lostRequests)) continue;
      const isLate = faults.lateRequests > 0 && random.chance(faults.lateRequests);
      this.#later(this.#delay() + (isLate ? random.between(0, lateMaxMs) : 0), () => {
        // What is on its way when the line is cut is lost with it.
        if (this.faults.requestsCut || this.store.isDown) return;
        const answer = this.#answerOf(execute);
        if (this.faults.lostAnswers > 0 && random.chance(this.faults.lostAnswers)) return;
        this.#later(this.#delay(), () => {
          if (this.isHeard) process.reach(() => answered(answer));
        });
      });
    }
  }

  #answerOf<T>(execute: () => T): () => T {
    try {
      const value = execute();
      return () => value;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }

  /** When something that the store sends now would arrive. */
  delay(): number {
    return this.#delay();
  }

  #delay(): number {
    const { delayMaxMs } = this.faults;
    return delayMaxMs === 0 ? 0 : this.random.between(0, delayMaxMs);
  }

  #later(ms: number, act: () => void): void {
    if (ms === 0) act();
    else this.store.time.after(ms, act);
  }
}

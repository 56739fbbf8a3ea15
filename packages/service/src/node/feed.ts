import type { ApiEvent } from '@holdfast/client';
import type { Clock } from '@holdfast/core';

/** How often the progress of one run is told. Changes of its state always are. */
const progressEveryMs = 500;

/** What changes, for whoever listens: streams of events, and those who wait for a run's end. */
export class Feed {
  readonly #clock: Clock;
  readonly #listeners = new Set<(event: ApiEvent) => void>();
  readonly #told = new Map<string, { readonly state: string; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anyone would hear it: views cost time. */
  get heard(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: (event: ApiEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: ApiEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Whether a run is worth telling of again: its state has changed, or enough time has passed. */
  isDue(run: string, o: { readonly state: string; readonly ended: boolean }): boolean {
    const last = this.#told.get(run);
    const atMs = this.#clock.elapsed();
    if (o.ended) {
      this.#told.delete(run);
      return true;
    }
    if (last?.state === o.state && atMs - last.atMs < progressEveryMs) return false;
    this.#told.set(run, { state: o.state, atMs });
    return true;
  }
}

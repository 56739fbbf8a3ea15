/** Work that goes on beside the caller's, so much of it at once. The first failure is kept, and told to the signal. */
export class InFlight {
  readonly #running = new Set<Promise<void>>();
  readonly #failed = new AbortController();

  /** Aborts with what the first failing work has thrown. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Resolves when fewer than so much is going on. */
  async below(count: number): Promise<void> {
    while (this.#running.size >= count) await Promise.race(this.#running);
  }

  start(work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** All has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}

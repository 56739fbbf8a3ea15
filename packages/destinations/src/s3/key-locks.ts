/** One at a time per name, in the order of asking; within this handle only. */
export class KeyLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(name: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const done = Promise.withResolvers<void>();
    this.#last.set(name, done.promise);
    try {
      await before;
      return await act();
    } finally {
      if (this.#last.get(name) === done.promise) this.#last.delete(name);
      done.resolve();
    }
  }
}

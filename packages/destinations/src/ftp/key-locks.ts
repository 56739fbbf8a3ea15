/** Steps on the same key one after the other, within this handle. */
export class KeyLocks {
  readonly #last = new Map<string, Promise<void>>();

  async run<T>(key: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const done = Promise.withResolvers<void>();
    this.#last.set(key, done.promise);
    await before;
    try {
      return await act();
    } finally {
      done.resolve();
      if (this.#last.get(key) === done.promise) this.#last.delete(key);
    }
  }
}

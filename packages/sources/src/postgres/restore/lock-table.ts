import type { Lock } from './finish-plan.ts';

/** Which relations the statements that run right now have, as far as their texts say. */
export class LockTable {
  /** How many share it; -1: one has it alone. */
  readonly #held = new Map<string, number>();

  isFree(locks: readonly Lock[]): boolean {
    return locks.every((lock) => {
      const held = this.#held.get(lock.relation) ?? 0;
      return held === 0 || (held > 0 && lock.mode === 'shared');
    });
  }

  take(locks: readonly Lock[]): void {
    for (const lock of locks) {
      const held = this.#held.get(lock.relation) ?? 0;
      this.#held.set(lock.relation, lock.mode === 'exclusive' ? -1 : held + 1);
    }
  }

  release(locks: readonly Lock[]): void {
    for (const lock of locks) {
      const held = this.#held.get(lock.relation) ?? 0;
      if (lock.mode === 'exclusive' || held <= 1) this.#held.delete(lock.relation);
      else this.#held.set(lock.relation, held - 1);
    }
  }
}

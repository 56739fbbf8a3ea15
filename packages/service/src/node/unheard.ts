import type { HoldfastError } from '@holdfast/core';

/** How many tasks a sentence names. */
const namedMax = 3;

/** Tasks of which the store takes nothing now, though it may answer: for people to see, and to be logged once each. */
export class Unheard {
  readonly #reasons = new Map<string, string>();

  /** @returns whether that is news */
  add(task: string, { reason }: HoldfastError): boolean {
    const isNews = !this.#reasons.has(task);
    this.#reasons.set(task, reason);
    return isNews;
  }

  /** The store has taken something of it, or nothing is due of it here. */
  delete(task: string): void {
    this.#reasons.delete(task);
  }

  keepOnly(tasks: Readonly<Record<string, unknown>>): void {
    for (const task of this.#reasons.keys()) if (!Object.hasOwn(tasks, task)) this.#reasons.delete(task);
  }

  get problems(): string[] {
    const tasks = [...this.#reasons.keys()].sort();
    const [first] = tasks;
    if (first === undefined) return [];
    const more = tasks.length > namedMax ? ` and ${tasks.length - namedMax} more` : '';
    const named = `${tasks.slice(0, namedMax).join(', ')}${more}`;
    return [`the store does not take what is due of ${named}: ${this.#reasons.get(first)}`];
  }
}

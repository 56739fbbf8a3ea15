import type { Message } from '@holdfast/coordinator';

/** What is told to one receiver at once. */
export interface Batch {
  /** The name of a declared notification. */
  readonly to: string;
  readonly messages: readonly [Message, ...Message[]];
}

interface Waiting {
  readonly message: Message;
  readonly attempts: number;
  /** Of the monotonic clock. */
  readonly dueMs: number;
  /** A list of which it was a part was refused. */
  readonly alone: boolean;
}

/** More than so many that are due for one receiver go as one message. */
const singlesMax = 10;

/** A list that any receiver takes; what is beyond it is the next one. */
const gatheredMax = 100;

const firstWaitMs = 5_000;
const waitMaxMs = 15 * 60_000;

/**
 * The messages that this node has to deliver, and when each is tried next. A receiver gets one thing at a time, in the
 * order of the messages' ids: one that hangs holds up nobody but itself.
 */
export class WaitingMessages {
  #waiting = new Map<string, Waiting>();
  readonly #busy = new Set<string>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Makes these, and only these, the ones that wait; those known keep their turn. */
  replace(messages: readonly Message[]): void {
    const sorted = [...messages].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#waiting = new Map(
      sorted.map((message) => [
        message.id,
        this.#waiting.get(message.id) ?? {
          message,
          attempts: 0,
          dueMs: Number.NEGATIVE_INFINITY,
          alone: false,
        },
      ]),
    );
  }

  /** What is to be told next; its receiver gets nothing else until `release`. */
  take(elapsedMs: number): Batch | undefined {
    const next = this.#free().find(({ dueMs }) => dueMs <= elapsedMs);
    if (!next) return undefined;
    const { to } = next.message;
    const due = this.#free().filter(
      ({ message, dueMs, alone }) => message.to === to && dueMs <= elapsedMs && !alone,
    );
    const isStorm = !next.alone && due.length > singlesMax;
    const others = isStorm ? due.slice(1, gatheredMax).map(({ message }) => message) : [];
    this.#busy.add(to);
    return { to, messages: [next.message, ...others] };
  }

  release({ to }: Batch): void {
    this.#busy.delete(to);
  }

  remove(id: string): void {
    this.#waiting.delete(id);
  }

  /** Tried in vain: again after 5 s, then twice as long each time, up to 15 min. */
  postpone(id: string, elapsedMs: number): void {
    const before = this.#waiting.get(id);
    if (!before) return;
    const waitMs = Math.min(firstWaitMs * 2 ** before.attempts, waitMaxMs);
    this.#waiting.set(id, { ...before, attempts: before.attempts + 1, dueMs: elapsedMs + waitMs });
  }

  /** A receiver that refuses a list may take each of its messages, or say which one it refuses. */
  separate(id: string): void {
    const before = this.#waiting.get(id);
    if (before) this.#waiting.set(id, { ...before, alone: true });
  }

  /** When the next one is due; infinity when none waits for its turn. */
  nextDueMs(): number {
    return this.#free().reduce((least, { dueMs }) => Math.min(least, dueMs), Number.POSITIVE_INFINITY);
  }

  #free(): readonly Waiting[] {
    return [...this.#waiting.values()].filter(({ message }) => !this.#busy.has(message.to));
  }
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  act: (() => void) | undefined;
}

/** Turns of the event loop are taken after so many steps, so that what is weakly held can be let go. */
const stepsPerTurn = 500;

/**
 * Time of a simulated world: a queue of what happens when. Nothing passes by itself; each step is the next event and all
 * that follows from it at once. Steps cost no turn of the event loop, so that hours take milliseconds.
 */
export class SimulatedTime {
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  /** A binary heap: the earliest first, and of one moment what was asked for first. */
  readonly #events: Event[] = [];

  /** Since the beginning of the world. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get steps(): number {
    return this.#steps;
  }

  /**
   * No earlier than asked, at a whole millisecond: less than one left to wait would else be a wait without end. Returns
   * how to call it off.
   */
  after(ms: number, act: () => void): () => void {
    const event: Event = { atMs: Math.ceil(this.#nowMs + Math.max(0, ms)), order: this.#order++, act };
    this.#push(event);
    return () => {
      event.act = undefined;
    };
  }

  /** Lets time pass up to a moment, and tells after each step; also of what is ready before the first. */
  async runUntil(untilMs: number, afterStep: () => void = () => undefined): Promise<void> {
    await drained();
    for (;;) {
      const next = this.#events[0];
      if (!next || next.atMs > untilMs) break;
      this.#pop();
      if (!next.act) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.act();
      await drained();
      this.#steps += 1;
      if (this.#steps % stepsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      afterStep();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Resolves when no promise has anything left to do: Node calls what is asked for "next" after all of them. */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

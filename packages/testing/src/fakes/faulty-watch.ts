import { abortError, type Change, HoldfastError, type Revision } from '@holdfast/core';
import type { FaultyLine } from './faulty-line.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface FaultyWatchOptions {
  readonly process: SimulatedProcess;
  readonly line: FaultyLine;
  readonly prefix: string;
  readonly since: Revision;
}

/** What could not be delivered is tried again so much later: a connection sends again until it breaks. */
const againMs = 250;

/** Changes on their way from the store to one process: in order, each a while after it was made, all of them or an error. */
export class FaultyWatch implements Disposable {
  readonly #o: FaultyWatchOptions;
  readonly #arrived: Change[] = [];
  readonly #sent: { readonly change: Change; readonly atMs: number }[] = [];
  readonly #waiting: Disposable;
  #at: Revision;
  #error: unknown;
  #isSending = false;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(o: FaultyWatchOptions) {
    this.#o = o;
    this.#at = o.since;
    const { table } = o.line.store;
    this.#waiting = table.wait({ prefix: o.prefix, at: o.since, wake: () => this.#collect() });
    this.#collect();
  }

  /** @throws HoldfastError what the watch ended with, or the signal's reason */
  async next(signal: AbortSignal): Promise<Change> {
    for (;;) {
      if (signal.aborted) throw abortError(signal);
      const change = this.#arrived.shift();
      if (change) return change;
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#waiting[Symbol.dispose]();
  }

  /** At the store: all changes since the last one that was sent. */
  #collect(): void {
    const { line, prefix } = this.#o;
    try {
      for (;;) {
        const next = line.store.table.next(prefix, this.#at);
        if (typeof next === 'number') {
          this.#at = next;
          break;
        }
        this.#at = next.revision;
        const earliestMs = this.#sent.at(-1)?.atMs ?? 0;
        this.#sent.push({
          change: next,
          atMs: Math.max(earliestMs, line.store.time.nowMs + line.delay()),
        });
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#send();
  }

  #send(): void {
    const { line, process } = this.#o;
    if (this.#isSending || this.#isOver || !process.isAlive) return;
    const next = this.#sent[0];
    if (!next) return;
    const { time } = line.store;
    const leftMs = next.atMs - time.nowMs;
    if (leftMs > 0) {
      this.#sendLater(leftMs);
      return;
    }
    if (!line.isHeard) {
      const { brokenWatches } = line.faults;
      if (brokenWatches > 0 && line.random.chance(brokenWatches))
        this.#fail(new HoldfastError('unavailable', 'the watch broke'));
      else this.#sendLater(againMs);
      return;
    }
    this.#sent.shift();
    // In the order in which it was sent, also for a process that stands still: only its waking waits.
    this.#arrived.push(next.change);
    process.reach(() => this.#wake?.());
    this.#send();
  }

  #sendLater(ms: number): void {
    this.#isSending = true;
    this.#o.line.store.time.after(ms, () => {
      this.#isSending = false;
      this.#send();
    });
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#error = error;
    this.#o.process.reach(() => this.#wake?.());
  }
}

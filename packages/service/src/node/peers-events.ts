import type { ApiEvent } from '@holdfast/client';
import type { TaskRecord } from '@holdfast/coordinator';
import { deadline, HoldfastError } from '@holdfast/core';
import type { NodeParts } from './node-parts.ts';
import { ownRunView } from './peers-runs.ts';

/** Of the store, for one event: who listens reads the lists anew if it takes longer. */
const readMaxMs = 10_000;

/**
 * Tells of runs that other nodes carry out, as the store's view shows their beginning and their end, for as long as anyone
 * listens: so that who waits for a run's end may wait at any node.
 */
export class PeersEvents {
  readonly #parts: NodeParts;
  /** What was last seen of each task's newest run. */
  readonly #seen = new Map<string, string>();
  /** State that was last told of each task's newest run. */
  readonly #told = new Map<string, string>();
  #listeners = 0;
  #stop: (() => void) | undefined;
  /** One read after the other, so that what is told is in order. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  /** Everything that changes, here and elsewhere. */
  subscribe(listener: (event: ApiEvent) => void): () => void {
    const { feed } = this.#parts;
    if (this.#listeners === 0) this.#begin();
    this.#listeners += 1;
    const unsubscribe = feed.subscribe(listener);
    let isOver = false;
    return () => {
      unsubscribe();
      if (isOver) return;
      isOver = true;
      this.#listeners -= 1;
      if (this.#listeners === 0) this.#stop?.();
    };
  }

  #begin(): void {
    const { view } = this.#parts;
    this.#seen.clear();
    this.#told.clear();
    for (const [task, { value }] of view.tasks) this.#seen.set(task, stampOf(value));
    this.#stop = view.onChange(({ tasks }) => {
      for (const task of tasks) this.#look(task);
    });
  }

  #look(task: string): void {
    const record = this.#parts.view.task(task)?.value;
    if (!record) {
      this.#seen.delete(task);
      this.#told.delete(task);
      return;
    }
    const stamp = stampOf(record);
    // A run that works changes its task's record only as it begins and as it ends; others change it for other reasons.
    if (this.#seen.get(task) === stamp && !record.running) return;
    this.#seen.set(task, stamp);
    const run = record.running?.run ?? record.lastAttempt?.run;
    if (run !== undefined) this.#last = this.#last.then(() => this.#tell(task, run));
  }

  async #tell(task: string, id: string): Promise<void> {
    const { ledger, feed, config, logger, clock } = this.#parts;
    using limit = deadline(clock, readMaxMs, 'reading a run');
    try {
      const run = await ledger.run(id, { signal: limit.signal });
      // This node's own are told of by those who carry them out.
      if (!run || run.node === config.name) return;
      const state = `${id} ${run.state}`;
      if (this.#told.get(task) === state) return;
      this.#told.set(task, state);
      feed.tell({ kind: 'run', run: ownRunView(this.#parts, run) });
    } catch (caught) {
      const { reason } = HoldfastError.from(caught);
      logger.debug({ component: 'events', task, run: id }, `the run could not be read: ${reason}`);
    }
  }
}

/** Changes with each beginning and each end of a run. */
function stampOf({ running, lastAttempt }: TaskRecord): string {
  return `${running?.run} ${lastAttempt?.run} ${lastAttempt?.state}`;
}

import { runId } from '@holdfast/coordinator';
import type { Clock, ErrorRecord, Sig } from '@holdfast/core';
import type { CopyReport } from '@holdfast/engine';
import { RunProgress } from '../run-progress.ts';
import type { CopyRun } from '../run-request.ts';
import type { CopyWish } from './copy-order.ts';
import type { ExecuteOptions } from './runner.ts';

/** Carries out one copy, in a process of its own; simulations put their own here. */
export type ExecuteCopy = (run: CopyRun, o: ExecuteOptions) => Promise<CopyReport>;

export type CopyTrigger = 'behind' | 'manual';
export type CopyState = 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** How a destination stood with a task when a copy was decided on; another answer later is a reason to look again. */
export interface Standing {
  /** Since when it is behind: another moment, and it had caught up in between. */
  readonly sinceMs: number | undefined;
  /** The last run that stored something there: another one, and it has been reached. */
  readonly lastGoodRun: string | undefined;
}

/** Backups on their way from one destination of a task to another. Known as long as the node works; nothing durable. */
export class CopyJob {
  readonly id: string;
  readonly wish: CopyWish;
  readonly trigger: CopyTrigger;
  readonly standing: Standing;
  readonly progress: RunProgress;
  readonly createdAtMs: number;
  readonly #abort = new AbortController();
  /** Names of the destinations that are copied from; empty until it begins. */
  from: readonly string[] = [];
  state: CopyState = 'waiting';
  startedAtMs?: number;
  endedAtMs?: number;
  report?: CopyReport;
  error?: ErrorRecord;
  work?: Promise<void>;

  constructor(
    wish: CopyWish,
    o: { readonly trigger: CopyTrigger; readonly standing: Standing; readonly clock: Clock },
  ) {
    this.wish = wish;
    this.trigger = o.trigger;
    this.standing = o.standing;
    this.createdAtMs = o.clock.now();
    this.id = runId(`${wish.task}-to-${wish.to}`, this.createdAtMs);
    this.progress = new RunProgress({ clock: o.clock });
  }

  get key(): string {
    return keyOf(this.wish);
  }

  get signal(): Sig['signal'] {
    return this.#abort.signal;
  }

  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }
}

/** One destination of one task. */
export function keyOf({ task, to }: { readonly task: string; readonly to: string }): string {
  return `${task}/${to}`;
}

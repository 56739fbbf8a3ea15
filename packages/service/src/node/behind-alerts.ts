import { behindTold, type ClusterView, type Ledger, type TaskRecord } from '@holdfast/coordinator';
import type { Clock, DeclaredTask, Sig } from '@holdfast/core';
import type { Logger } from 'pino';
import { durationMs } from '../config/duration.ts';
import { messagesOfBehind } from './alerts.ts';

/** Of a task that says nothing else. */
const behindAfterDefault = '1h';

export interface BehindAlertsOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Messages have been written. */
  readonly onMessages: () => void;
}

/** Says once of each destination that it is behind for too long; that it no longer is, whoever brings it up to date says. */
export class BehindAlerts {
  readonly #o: BehindAlertsOptions;

  constructor(options: BehindAlertsOptions) {
    this.#o = options;
  }

  async judge(task: string, spec: DeclaredTask, seen: TaskRecord, o: Sig): Promise<void> {
    for (const destination of Object.keys(seen.behind ?? {}))
      if (this.#isNews(spec, seen, destination)) await this.#tell(task, spec, { destination, ...o });
  }

  /** A disabled destination is left alone, also by those who would tell of it. */
  #isNews(spec: DeclaredTask, record: TaskRecord, destination: string): boolean {
    const { clock, view } = this.#o;
    const behind = record.behind?.[destination];
    if (!behind || behind.toldAtMs !== undefined) return false;
    if (!spec.destinations.includes(destination)) return false;
    if (view.objects.value.destinations[destination]?.disabled) return false;
    const afterMs = durationMs(spec.behindAfter ?? behindAfterDefault) ?? 0;
    return clock.now() - behind.sinceMs > afterMs;
  }

  async #tell(
    task: string,
    spec: DeclaredTask,
    { destination, signal }: Sig & { readonly destination: string },
  ): Promise<void> {
    const { ledger, view, node, clock, logger, onMessages } = this.#o;
    let told = 0;
    let isNews = false;
    await ledger.amend(
      task,
      (record) => {
        isNews = this.#isNews(spec, record, destination);
        if (!isNews) return { record };
        const { notifications } = view.objects.value;
        const context = { notifications, node, nowMs: clock.now() };
        const messages = messagesOfBehind(record, { destination, context });
        told = messages.length;
        return { record: behindTold(record, destination, context.nowMs), messages };
      },
      { signal },
    );
    if (isNews)
      logger.warn({ component: 'task keeper', task, destination }, `${destination} is behind for too long`);
    if (told > 0) onMessages();
  }
}

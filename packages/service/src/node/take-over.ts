import type { ClusterView, Ledger } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import type { Logger } from 'pino';
import type { Service } from './supervisor.ts';

export interface TakeOverOptions {
  readonly ledger: Ledger;
  readonly view: ClusterView;
  readonly node: string;
  /** Whether this process has the run: then it is not one of its last life. */
  readonly isOwn: (run: string) => boolean;
  readonly logger: Logger;
}

/** What a node does once, before it takes anything: what its last life left running is interrupted, and goes on. */
export class TakeOver {
  readonly #o: TakeOverOptions;
  #done: Promise<void> | undefined;

  constructor(options: TakeOverOptions) {
    this.#o = options;
  }

  /** The same service, which begins after it. */
  before(service: Service): Service {
    return {
      name: service.name,
      run: async (ending) => {
        this.#done ??= this.#takeOver(ending.drain).catch((error: unknown) => {
          this.#done = undefined;
          throw error;
        });
        await this.#done;
        await service.run(ending);
      },
    };
  }

  async #takeOver(signal: AbortSignal): Promise<void> {
    const { ledger, view, node, logger, isOwn } = this.#o;
    for (const [task, { value }] of view.tasks) {
      const { running } = value;
      if (running?.node !== node || isOwn(running.run)) continue;
      const run = await ledger.run(running.run, { signal });
      if (!run || run.endedAtMs !== undefined) continue;
      try {
        await ledger.interrupt(run, `node ${node} went away during the run`, { signal });
        logger.warn({ component: 'node', task, run: run.id }, `run ${run.id} was interrupted; it goes on`);
      } catch (caught) {
        // Whoever took the task meanwhile has ended the run.
        if (HoldfastError.from(caught).code !== 'lease_lost') throw caught;
      }
    }
  }
}

import type { ClusterView, Ledger, RunningRun } from '@holdfast/coordinator';
import { throwIfAborted, whenAborted } from '@holdfast/core';
import type { Logger } from 'pino';
import type { Membership } from './membership.ts';
import type { Service } from './supervisor.ts';

export interface TakeOverOptions {
  readonly membership: Membership;
  readonly ledger: Ledger;
  readonly view: ClusterView;
  readonly node: string;
  /** Whether this process has the run: then it is not one of its last life. */
  readonly isOwn: (run: string) => boolean;
  readonly logger: Logger;
}

/**
 * What a node does once, before it takes anything: what its last life left running is interrupted, and what belongs to
 * a node that is gone becomes its own. It waits until it is known itself, so that no other does the same to it.
 */
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
    const { membership, ledger, view, node, logger, isOwn } = this.#o;
    await Promise.race([membership.announced, whenAborted(signal)]);
    throwIfAborted(signal);
    const alive = new Set((await ledger.nodes({ signal })).map((one) => one.node));
    const isGone = (running: RunningRun): boolean =>
      running.node === node ? !isOwn(running.run) : !alive.has(running.node);
    const lost = await ledger.interruptLost(isGone, { signal });
    for (const run of lost) {
      logger.warn(
        { component: 'node', task: run.task, run: run.id },
        `run ${run.id} was interrupted; it goes on`,
      );
    }
    for (const [task, { value }] of view.tasks) {
      if (alive.has(value.node)) continue;
      await ledger.moveTask(task, node, { signal });
      logger.warn({ component: 'node', task }, `the task moves here: node ${value.node} is gone`);
    }
  }
}

import { type JournaledStore, keys } from '@holdfast/coordinator';
import type { Entry, HoldfastError, Sig } from '@holdfast/core';
import type { NodeParts } from './node-parts.ts';

type ApartParts = Pick<NodeParts, 'journaled' | 'view' | 'catchUp' | 'logger'>;

/**
 * What a node does while it cannot reach the store: what runs goes on, and the tasks whose incrementals are this node's
 * go on by their schedules, in a journal. When it is back, the cluster is told.
 */
export class Apart {
  readonly #parts: ApartParts;

  constructor(parts: ApartParts) {
    this.#parts = parts;
  }

  /** The session is over. Runs go on: whether they count is decided by generations, and not by who seems alive. */
  lost(reason: HoldfastError): void {
    const { catchUp, logger } = this.#parts;
    logger.warn(
      { component: 'node', code: reason.code },
      `the node's sign of life is gone: ${reason.reason}`,
    );
    // Copies between destinations may be made by whoever has the task next.
    catchUp.endAll(reason);
  }

  async enter(reason: HoldfastError): Promise<void> {
    const { journaled, logger } = this.#parts;
    logger.error(
      { component: 'node', code: reason.code, hint: reason.hint },
      `the store of the cluster cannot be reached: ${reason.reason}`,
    );
    if (!journaled || journaled.apart) return;
    await journaled.enter(this.#seen(), reason, { signal: new AbortController().signal });
    logger.warn(
      { component: 'node' },
      'tasks whose incrementals this node makes go on by their schedules; everything else waits for the store',
    );
  }

  /** The store answers: it is told what happened meanwhile, now or in a life of this node before. */
  async back(o: Sig): Promise<void> {
    const { journaled, logger } = this.#parts;
    if (!journaled || !(journaled.apart || (await journaled.hasJournal(o)))) return;
    for (const { task, outcome, reason, runs } of await journaled.reconcile(o)) {
      const says = `${runs} run${runs === 1 ? '' : 's'} of the time apart from the store ${outcome}: ${reason}`;
      logger.warn({ component: 'node', task, outcome }, says);
    }
    logger.info({ component: 'node' }, 'the store of the cluster is reached again');
  }

  #seen(): Entry[] {
    const { objects, tasks, nodes } = this.#parts.view;
    const record = { objects: objects.value, appliedAtMs: 0 };
    return [
      { key: keys.objects, value: JSON.stringify(record), revision: objects.revision },
      ...[...tasks].map(([task, { value, revision }]) => ({
        key: keys.task(task),
        value: JSON.stringify(value),
        revision,
      })),
      ...[...nodes].map(([node, { value, revision }]) => ({
        key: keys.node(node),
        value: JSON.stringify(value),
        revision,
      })),
    ];
  }
}

export function apartProblems(journaled: JournaledStore | undefined): string[] {
  const apart = journaled?.apart;
  return apart ? [`the store of the cluster cannot be reached: ${apart.reason.reason}`] : [];
}

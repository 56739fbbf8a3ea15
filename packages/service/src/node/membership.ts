import type { Ledger } from '@holdfast/coordinator';
import { type Clock, type ClusterStore, HoldfastError, version, whenAborted } from '@holdfast/core';
import type { Ending, Service } from './supervisor.ts';

export interface MembershipOptions {
  readonly node: string;
  readonly tags: readonly string[];
  readonly store: ClusterStore;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly ttlMs?: number;
  /** The node may no longer act: its runs must end before another node may begin them. */
  readonly onLost: (reason: HoldfastError) => void;
}

/** Keeps this node's sign of life in the store. */
export class Membership implements Service {
  readonly name = 'membership';
  readonly #o: Required<MembershipOptions>;
  readonly #startedAtMs: number;
  #announced = Promise.withResolvers<void>();

  constructor(options: MembershipOptions) {
    this.#o = { ttlMs: 10_000, ...options };
    this.#startedAtMs = options.clock.now();
  }

  /** Resolves when the node is known to the others. */
  get announced(): Promise<void> {
    return this.#announced.promise;
  }

  async run({ stop }: Ending): Promise<void> {
    const { node, tags, store, ledger, ttlMs, onLost } = this.#o;
    await using session = await store.openSession({ signal: stop, ttlMs });
    const record = { node, version, startedAtMs: this.#startedAtMs, tags };
    await ledger.announceNode(record, session, { signal: stop });
    this.#announced.resolve();
    await whenAborted(AbortSignal.any([session.signal, stop]));
    if (stop.aborted) return;
    this.#announced = Promise.withResolvers();
    const reason = HoldfastError.from(session.signal.reason);
    onLost(reason);
    throw reason;
  }
}

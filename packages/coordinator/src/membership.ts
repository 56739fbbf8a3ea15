import {
  type Clock,
  type ClusterStore,
  deadline,
  HoldfastError,
  type Revision,
  type Session,
  type Sig,
  throwIfAborted,
  whenAborted,
} from '@holdfast/core';
import { keys } from './keys.ts';
import type { NodeRecord } from './records.ts';

export interface MembershipOptions {
  readonly store: ClusterStore;
  readonly clock: Clock;
  /** What the cluster is told of this node. */
  readonly self: Omit<NodeRecord, 'writtenAtMs'>;
  /** A node that is silent for so long is taken for dead. */
  readonly ttlMs: number;
  /** How long one attempt to be known again may take. */
  readonly attemptMaxMs?: number;
  readonly retryMs?: number;
  /** The session is over. What follows is `onApart` or `onBack`. */
  readonly onLost?: (reason: HoldfastError) => void;
  /** The session is over, and the store does not answer. Told once; then `onBack`. */
  readonly onApart?: (reason: HoldfastError) => Promise<void>;
  /** The node is known to the others again. If it rejects, it is tried again, with a new session if need be. */
  readonly onBack?: (o: Sig) => Promise<void>;
}

/**
 * Keeps this node's sign of life in the store: an entry that goes with the node's session. A session that is lost is
 * opened anew; whether the node still has its tasks, their records say.
 */
export class Membership {
  readonly #o: Required<MembershipOptions>;
  #session: Session | undefined;
  #revision: Revision | undefined;

  constructor(options: MembershipOptions) {
    this.#o = {
      attemptMaxMs: options.ttlMs,
      retryMs: 1000,
      onLost: () => undefined,
      onApart: async () => undefined,
      onBack: async () => undefined,
      ...options,
    };
  }

  /** Of the node's entry, as long as its session lasts. */
  get revision(): Revision | undefined {
    return this.#session && !this.#session.signal.aborted ? this.#revision : undefined;
  }

  /**
   * Makes the node known. An entry of its last life is taken over; one of another node with the same name that does not
   * go within two times to live is an error.
   * @throws HoldfastError config_invalid when another node has the name, or what the store says
   */
  async join(o: Sig): Promise<void> {
    const { store, ttlMs } = this.#o;
    const session = await store.openSession({ ...o, ttlMs });
    try {
      this.#revision = await this.#announce(session, o);
      this.#session = session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Keeps the node known until the signal aborts. */
  async run(o: Sig): Promise<void> {
    const { onLost } = this.#o;
    try {
      while (!o.signal.aborted) {
        if (!this.#session) await this.#rejoin(o);
        const session = this.#session;
        if (!session) break;
        await whenAborted(AbortSignal.any([session.signal, o.signal]));
        if (o.signal.aborted) break;
        this.#session = undefined;
        onLost(HoldfastError.from(session.signal.reason));
      }
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.[Symbol.asyncDispose]();
  }

  async #rejoin(o: Sig): Promise<void> {
    const { clock, attemptMaxMs, retryMs, onApart, onBack } = this.#o;
    let isApart = false;
    while (!o.signal.aborted) {
      try {
        using limit = deadline(clock, attemptMaxMs, 'joining the cluster again');
        const signal = AbortSignal.any([o.signal, limit.signal]);
        if (!this.#session) await this.join({ signal });
        await onBack({ signal });
        return;
      } catch (caught) {
        const error = HoldfastError.from(caught);
        if (o.signal.aborted) return;
        if (this.#session?.signal.aborted) this.#session = undefined;
        if (!error.retryable && error.code !== 'conflict') throw error;
        if (!isApart) await onApart(error);
        isApart = true;
        await clock.sleep(retryMs, o.signal).catch(() => undefined);
      }
    }
  }

  async #announce(session: Session, o: Sig): Promise<Revision> {
    const { store, clock, self, ttlMs, retryMs } = this.#o;
    const key = keys.node(self.node);
    const until = clock.elapsed() + 2 * ttlMs;
    for (;;) {
      throwIfAborted(o.signal);
      const found = await store.get(key, o);
      const other = found && (JSON.parse(found.value) as NodeRecord);
      if (other && other.instance !== self.instance) {
        if (clock.elapsed() >= until) throw nameTaken(other);
        await clock.sleep(Math.min(retryMs, ttlMs / 4), o.signal);
        continue;
      }
      const record: NodeRecord = { ...self, writtenAtMs: clock.now() };
      const checks = [{ key, revision: found ? found.revision : ('absent' as const) }];
      try {
        return await store.transact({ checks, puts: [{ key, value: JSON.stringify(record), session }] }, o);
      } catch (caught) {
        if (HoldfastError.from(caught).code !== 'conflict') throw caught;
      }
    }
  }
}

function nameTaken({ node, url, startedAtMs }: NodeRecord): HoldfastError {
  const where = url === undefined ? '' : ` at ${url}`;
  return new HoldfastError(
    'config_invalid',
    `another node of the cluster is named ${node}: it is alive${where}, since ${new Date(startedAtMs).toISOString()}`,
    { hint: 'give each node a name of its own (name in holdfast.yaml), or stop the other one' },
  );
}

import { randomBytes } from 'node:crypto';
import { type Clock, HoldfastError, type Session, type Sig, whenAborted } from '@holdfast/core';
import { checkTtl, SessionDeadline } from '../session-deadline.ts';
import type { LeaseKeepAliveResponse } from './etcd.generated.ts';
import type { Answered, CallTerms, EtcdCalls, Failure } from './etcd-calls.ts';
import type { EtcdMember } from './etcd-member.ts';
import type { KeySpace } from './key-space.ts';

export interface EtcdSessionParts {
  readonly calls: Pick<EtcdCalls, 'attempt' | 'once' | 'callMaxMs' | 'members'>;
  readonly keys: KeySpace;
  readonly clock: Clock;
  /** Nothing more is done for it. */
  readonly ended: (session: EtcdSession) => void;
}

/** Signs of life in one time to live; each may be tried at several members. */
const beatsPerTtl = 4;
const attemptsPerTtl = 5;

/** The members wait so much longer than the owner: its timer may be late, and their clocks fast. */
const patience = 1.1;

const pauseMs = 50;

const never = new AbortController().signal;

/**
 * A lease of etcd's, with its owner's own idea of how long it holds: `ttlMs` since it *sent* the last sign of life that
 * counts, by its own monotonic clock. etcd counts from when that sign arrived, and for longer. So whoever sees the
 * entries gone comes after the abort, however slow the way there or back was.
 *
 * A sign of life counts only when a read at the same member, in the same term, was confirmed by a quorum afterwards: a
 * leader that has been cut off goes on renewing leases until it notices, while the others may have a new one, which
 * counts anew from its election, and would not know of those renewals.
 */
export class EtcdSession implements Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly #lease: bigint;
  readonly #parts: EtcdSessionParts;
  readonly #deadline: SessionDeadline;
  readonly #closed = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(lease: bigint, ttlMs: number, parts: EtcdSessionParts) {
    this.#lease = lease;
    this.id = lease.toString(16).padStart(16, '0');
    this.ttlMs = ttlMs;
    this.#deadline = new SessionDeadline({ id: this.id, ttlMs, clock: parts.clock });
    this.signal = this.#deadline.signal;
    this.#parts = parts;
  }

  static async open(parts: EtcdSessionParts, o: Sig & { readonly ttlMs: number }): Promise<EtcdSession> {
    const { ttlMs, signal } = o;
    checkTtl(ttlMs);
    // 63 bits, and not zero. A lease whose grant was not confirmed has no entries, and goes by itself.
    const session = new EtcdSession(randomBytes(8).readBigUInt64BE() >> 1n || 1n, ttlMs, parts);
    await session.#grant(signal);
    session.demandAlive();
    session.#running = Promise.all([
      session.#keepAlive(),
      session.#deadline.pass(),
      session.#revokeOnceOver(),
    ]);
    return session;
  }

  /** @throws HoldfastError lease_lost */
  demandAlive(): void {
    this.#deadline.demandAlive();
  }

  lose(why: string): void {
    this.#deadline.lose(why);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lose('was disposed');
    this.#closed.abort();
    await this.#running;
  }

  async #grant(signal: AbortSignal): Promise<void> {
    const { calls, clock } = this.#parts;
    const request = { ID: this.#lease, TTL: BigInt(Math.ceil((patience * this.ttlMs) / 1_000)) };
    const granted = await calls.once({
      what: 'open a session in etcd',
      signal,
      run: ({ lease }, terms) => {
        this.#deadline.holdsSince(clock.elapsed());
        return lease.leaseGrant(request, terms);
      },
    });
    if (granted.error !== '' || granted.TTL < request.TTL) {
      throw new HoldfastError('unavailable', `etcd grants no lease of ${request.TTL} s: ${granted.error}`);
    }
  }

  async #keepAlive(): Promise<void> {
    const { calls, clock } = this.#parts;
    const { signal } = this;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await clock.sleep(this.ttlMs / beatsPerTtl, signal).catch(() => undefined);
      for (let isAlive = false; !isAlive && !isOver(); ) {
        const outcome = await calls
          .attempt(
            { what: 'keep a session alive', signal, run: (member, terms) => this.#beat(member, terms) },
            { maxMs: this.ttlMs / attemptsPerTtl },
          )
          .catch(() => undefined);
        if (outcome && 'value' in outcome) {
          isAlive = true;
          this.#deadline.holdsSince(outcome.value.sentMs);
        } else if (outcome && isGone(outcome)) {
          this.lose('is no longer known to etcd');
        } else {
          await clock.sleep(pauseMs, signal).catch(() => undefined);
        }
      }
    }
  }

  /** @throws when it does not count */
  async #beat(member: EtcdMember, terms: CallTerms): Promise<{ readonly sentMs: number } & Answered> {
    const { clock, keys } = this.#parts;
    const sentMs = clock.elapsed();
    const term = await this.#renew(member, terms);
    const { header } = await member.kv.range({ key: keys.key(''), countOnly: true }, terms);
    if (header?.raftTerm !== term) throw new HoldfastError('unavailable', 'etcd has just had an election');
    return { sentMs, header };
  }

  /** The term in which the member was before it renewed the lease. */
  async #renew({ lease }: EtcdMember, terms: CallTerms): Promise<bigint | undefined> {
    const request = { ID: this.#lease };
    async function* requests(): AsyncGenerator<typeof request> {
      yield request;
    }
    let answer: LeaseKeepAliveResponse | undefined;
    // To its end: a stream that is not read to the end stays open.
    for await (const each of lease.leaseKeepAlive(requests(), terms)) answer = each;
    if (!answer) throw new HoldfastError('unavailable', 'etcd has not answered a sign of life');
    if (answer.TTL > 0n) return answer.header?.raftTerm;
    throw new HoldfastError('lease_lost', `session ${this.id} is no longer known to etcd`);
  }

  /** The owner knows first, and then says so: nobody has to wait for what is over. */
  async #revokeOnceOver(): Promise<void> {
    await whenAborted(this.signal);
    await this.#revoke();
    this.#parts.ended(this);
  }

  /** Until etcd has confirmed it; not for longer than the lease can hold. */
  async #revoke(): Promise<void> {
    const { calls, clock } = this.#parts;
    const endMs = clock.elapsed() + 2 * this.ttlMs;
    for (;;) {
      const isLast = this.#closed.signal.aborted;
      const outcome = await calls
        .attempt(
          {
            what: 'end a session',
            signal: never,
            run: ({ lease }, terms) => lease.leaseRevoke({ ID: this.#lease }, terms),
          },
          { maxMs: Math.min(calls.callMaxMs, this.ttlMs) / calls.members },
        )
        .catch(() => undefined);
      if (!outcome || 'value' in outcome || isGone(outcome)) return;
      if (isLast || clock.elapsed() >= endMs) return;
      await clock.sleep(pauseMs, this.#closed.signal).catch(() => undefined);
    }
  }
}

/** The lease of a session of any handle. */
export function leaseOf({ id }: Pick<Session, 'id'>): bigint {
  if (/^[0-9a-f]{16}$/.test(id)) return BigInt(`0x${id}`);
  throw new HoldfastError('lease_lost', `session ${id} is none of this etcd`);
}

function isGone({ error }: Failure): boolean {
  return error.code === 'lease_lost';
}

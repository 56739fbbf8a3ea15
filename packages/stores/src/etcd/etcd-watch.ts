import { type Clock, HoldfastError, type Revision } from '@holdfast/core';
import type { ChangeQueue } from './change-queue.ts';
import type { WatchResponse } from './etcd.generated.ts';
import type { CallTerms, EtcdCalls } from './etcd-calls.ts';
import type { EtcdMember } from './etcd-member.ts';
import { type KeySpace, revisionOf } from './key-space.ts';
import { RevisionEvents } from './revision-events.ts';

export interface EtcdWatchParts {
  readonly calls: EtcdCalls;
  readonly keys: KeySpace;
  readonly clock: Clock;
}

interface EtcdWatchOptions {
  readonly prefix: string;
  readonly since: Revision;
  readonly queue: ChangeQueue;
}

/**
 * A member is asked so often, in the time that a call may take, whether it is still there; when it has said nothing for
 * more than so many times, it is not. A count of times: a process that was busy itself has not listened.
 */
const asksPerCall = 8;
const silentAsksMax = 3;

const pauseFirstMs = 50;
const pauseMaxMs = 2_000;

/** One watch, over as many streams as it takes: each goes on where the one before it ended. */
export class EtcdWatch {
  readonly #calls: EtcdCalls;
  readonly #keys: KeySpace;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #queue: ChangeQueue;
  readonly #askMs: number;
  /** Everything up to here is in the queue, or was. */
  #through: Revision;
  #pauseMs = pauseFirstMs;
  #silentAsks = 0;

  constructor(parts: EtcdWatchParts, { prefix, since, queue }: EtcdWatchOptions) {
    this.#calls = parts.calls;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#askMs = parts.calls.callMaxMs / asksPerCall;
    this.#prefix = prefix;
    this.#queue = queue;
    this.#through = since;
  }

  /** Until the signal aborts; rejects when it cannot go on. */
  async run(signal: AbortSignal): Promise<void> {
    for (let streams = 1; ; streams += 1) {
      const outcome = await this.#calls.attempt({
        what: 'watch etcd',
        signal,
        run: async (member, terms) => ({ end: await this.#follow(member, terms), header: undefined }),
      });
      if ('value' in outcome) {
        if (outcome.value.end === 'full') await this.#queue.drained(signal);
        else await this.#checkRights(signal);
      } else if (outcome.at !== 'connect' && outcome.error.code !== 'unavailable') {
        throw outcome.error;
      }
      if (streams % this.#calls.members > 0) continue;
      await this.#clock.sleep(this.#pauseMs, signal);
      this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMaxMs);
    }
  }

  /** One stream, to its end. */
  async #follow(member: EtcdMember, terms: CallTerms): Promise<'full' | 'canceled'> {
    const over = new AbortController();
    const signal = AbortSignal.any([terms.signal, over.signal]);
    this.#silentAsks = 0;
    const listening = this.#listen(member, signal);
    try {
      let events = new RevisionEvents(this.#keys, this.#through);
      for await (const answer of member.watch.watch(this.#requests(signal), { ...terms, signal })) {
        this.#silentAsks = 0;
        if (answer.canceled) {
          if (answer.compactRevision > 0n) throw this.#forgotten(answer.compactRevision);
          return 'canceled';
        }
        if (answer.created) await this.#checkStart(answer, signal);
        for (const { type, kv } of answer.events) {
          if (!kv) continue;
          const revision = revisionOf(kv.modRevision);
          if (revision > events.revision) {
            this.#take(events);
            events = new RevisionEvents(this.#keys, revision);
          }
          events.add(type, kv);
        }
        // What is too large for one message comes in several: then a revision may go on in the next one.
        if (answer.fragment) continue;
        this.#take(events);
        events = new RevisionEvents(this.#keys, this.#through);
        this.#notice(answer);
        if (this.#queue.isFull) return 'full';
      }
      throw new HoldfastError('unavailable', `${member.url} has ended a watch`);
    } finally {
      over.abort();
      await listening;
    }
  }

  async *#requests(signal: AbortSignal) {
    const range = this.#keys.range(this.#prefix);
    // Begins with a revision that is known already: of one that was compacted etcd has forgotten the deletes, and yet
    // gives what is left of it to whoever begins there.
    const startRevision = BigInt(Math.max(1, this.#through));
    const value = { ...range, startRevision, fragment: true, progressNotify: true };
    yield { requestUnion: { case: 'createRequest' as const, value } };
    while (await this.#ticked(signal))
      yield { requestUnion: { case: 'progressRequest' as const, value: {} } };
  }

  /** A member that was stopped keeps its connections, and a line that was cut says nothing: silence is what tells. */
  async #listen(member: EtcdMember, signal: AbortSignal): Promise<void> {
    while (await this.#ticked(signal)) {
      this.#silentAsks += 1;
      if (this.#silentAsks > silentAsksMax) return member.reset('it has fallen silent');
    }
  }

  async #ticked(signal: AbortSignal): Promise<boolean> {
    await this.#clock.sleep(this.#askMs, signal).catch(() => undefined);
    return !signal.aborted;
  }

  #take(events: RevisionEvents): void {
    if (events.isEmpty || events.revision <= this.#through) return;
    this.#queue.put(events.change());
    this.#through = events.revision;
  }

  #notice({ created, watchId, events, header }: WatchResponse): void {
    if (created) return;
    // The stream is in use.
    this.#pauseMs = pauseFirstMs;
    // Those to whom nothing happens are told now and then how far etcd is. An answer to a question of ours, which has
    // the number -1, says less: it may be ahead of changes that are still to come.
    const isProgress = events.length === 0 && watchId >= 0n;
    if (isProgress) this.#through = Math.max(this.#through, revisionOf(header?.revision ?? 0n));
  }

  /** A member may be behind. When the whole of etcd is, it was put back, and what happened before did not happen. */
  async #checkStart({ header }: WatchResponse, signal: AbortSignal): Promise<void> {
    if (revisionOf(header?.revision ?? 0n) >= this.#through) return;
    const current = await this.#look(signal);
    if (current >= this.#through) return;
    const what = `changes after ${this.#through} were asked for; etcd is at ${current}, as after a restore of an older state`;
    throw new HoldfastError('out_of_range', what, { hint: listAgain });
  }

  /** Etcd cancels a watch without a word when its token is no longer good, or the user may not read. */
  async #checkRights(signal: AbortSignal): Promise<void> {
    try {
      await this.#look(signal);
    } catch (error) {
      if (HoldfastError.from(error).code !== 'unavailable') throw error;
    }
  }

  async #look(signal: AbortSignal): Promise<Revision> {
    const request = { ...this.#keys.range(this.#prefix), countOnly: true };
    const { header } = await this.#calls.repeatable({
      what: 'watch etcd',
      signal,
      run: ({ kv }, terms) => kv.range(request, terms),
    });
    return revisionOf(header?.revision ?? 0n);
  }

  #forgotten(compacted: bigint): HoldfastError {
    const what = `changes after ${this.#through} were asked for; etcd keeps those after ${compacted}`;
    return new HoldfastError('out_of_range', what, { hint: listAgain });
  }
}

const listAgain = 'list again, and watch since the revision of the list';

import type { ClusterView, Ledger, Message } from '@holdfast/coordinator';
import { type Clock, type DeclaredNotification, HoldfastError, type Sig } from '@holdfast/core';
import type { Logger } from 'pino';
import { Poke } from '../node/poke.ts';
import type { Ending, Service } from '../node/supervisor.ts';
import { type Deliver, deliver } from './deliver.ts';
import { gather } from './notice.ts';
import { isRefusal } from './receiver-errors.ts';
import { type Batch, WaitingMessages } from './waiting-messages.ts';

export interface OutboxOptions {
  readonly ledger: Pick<Ledger, 'messages' | 'deleteMessage'>;
  readonly view: Pick<ClusterView, 'objects' | 'nodes'>;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deliver?: Deliver;
}

const lookEveryMs = 30_000;
const atOnceMax = 8;
const waitingMax = 1_000;
const givenUpAfterMs = 24 * 3_600_000;

/** After `drain`, what is under way may still arrive. */
const finishMs = 5_000;

/**
 * Delivers the messages of this node, and of nodes that are gone. They are in the ledger until a receiver has taken them: a node that dies in between
 * tells again, with the same id, after it is back.
 */
export class Outbox implements Service {
  readonly name = 'notifications';
  readonly #o: Required<OutboxOptions>;
  readonly #waiting = new WaitingMessages();
  readonly #underWay = new Set<Promise<void>>();
  /** Settled, and perhaps still in the ledger: neither told again nor forgotten before they are gone. */
  readonly #settled = new Set<string>();
  readonly #poke = new Poke();
  #lookAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OutboxOptions) {
    this.#o = { deliver, ...options };
  }

  /** There is something new in the ledger. */
  poke(): void {
    this.#lookAtMs = Number.NEGATIVE_INFINITY;
    this.#poke.now();
  }

  async run({ drain, stop }: Ending): Promise<void> {
    const halt = new AbortController();
    const signal = AbortSignal.any([stop, halt.signal]);
    this.#lookAtMs = Number.NEGATIVE_INFINITY;
    try {
      while (!drain.aborted) await this.#turn({ signal }, drain);
    } catch (caught) {
      if (!drain.aborted) throw caught;
    } finally {
      // Also after a failure of the store: who is being told already may hear the end of it.
      await this.#finish(halt, stop);
    }
  }

  async #turn(work: Sig, drain: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    if (clock.elapsed() >= this.#lookAtMs) {
      this.#lookAtMs = clock.elapsed() + lookEveryMs;
      await this.#look({ signal: drain });
    }
    this.#start(work);
    const isFull = this.#underWay.size >= atOnceMax;
    const nextMs = isFull ? this.#lookAtMs : Math.min(this.#lookAtMs, this.#waiting.nextDueMs());
    await this.#poke.sleep(clock, Math.max(1, nextMs - clock.elapsed()), { signal: drain });
  }

  async #look(o: Sig): Promise<void> {
    const { ledger, view } = this.#o;
    // Before the view has seen any objects, every receiver would look like one that is no longer declared.
    if (view.objects.revision === 0) return;
    const own = (await ledger.messages(o)).map(({ value }) => value).filter((one) => this.#isMine(one.node));
    const ids = new Set(own.map(({ id }) => id));
    for (const id of this.#settled) {
      if (ids.has(id)) await ledger.deleteMessage(id, o);
      else this.#settled.delete(id);
    }
    this.#waiting.replace(own.filter(({ id }) => !this.#settled.has(id)).slice(0, waitingMax));
  }

  /** What a node that is gone has not told yet, one of those that are left tells. It may have been told: better twice. */
  #isMine(of: string): boolean {
    const { node, view } = this.#o;
    if (of === node) return true;
    return !view.nodes.has(of) && [...view.nodes.keys()].sort()[0] === node;
  }

  #start(o: Sig): void {
    const { clock } = this.#o;
    while (this.#underWay.size < atOnceMax) {
      const batch = this.#waiting.take(clock.elapsed());
      if (!batch) return;
      const work = this.#handle(batch, o).finally(() => {
        this.#underWay.delete(work);
        this.#waiting.release(batch);
        this.#poke.now();
      });
      this.#underWay.add(work);
    }
  }

  async #handle(batch: Batch, o: Sig): Promise<void> {
    const { view, logger } = this.#o;
    const { notifications } = view.objects.value;
    const declared = Object.hasOwn(notifications, batch.to) ? notifications[batch.to] : undefined;
    if (declared) {
      await this.#tell(batch, declared, o);
    } else {
      logger.warn(this.#fields(batch), `dropped: the notification ${batch.to} is no longer declared`);
      await this.#settle(batch.messages, o);
    }
  }

  async #tell(batch: Batch, declared: DeclaredNotification, o: Sig): Promise<void> {
    const { clock, logger, deliver: tell } = this.#o;
    const { messages, to } = batch;
    const [first] = messages;
    try {
      const { refused } = await tell(messages.length > 1 ? gather(messages) : first, declared, {
        ...o,
        clock,
      });
      logger.info(this.#fields(batch), `told ${to}: ${first.event} of task ${first.task}`);
      if (refused.length > 0) logger.warn(this.#fields(batch), `${to}: refused for ${refused.join(', ')}`);
    } catch (caught) {
      if (!o.signal.aborted) await this.#afterFailure(batch, HoldfastError.from(caught), o);
      return;
    }
    await this.#settle(messages, o);
  }

  async #afterFailure(batch: Batch, error: HoldfastError, o: Sig): Promise<void> {
    const { clock, logger } = this.#o;
    const { messages, to } = batch;
    const fields = { ...this.#fields(batch), err: error, code: error.code, hint: error.hint };
    if (isRefusal(error) && messages.length > 1) {
      logger.warn(fields, `${to} does not take a list: ${error.reason}; each message is sent alone`);
      for (const { id } of messages) this.#waiting.separate(id);
      return;
    }
    const isOver = ({ atMs }: Message): boolean => isRefusal(error) || clock.now() - atMs >= givenUpAfterMs;
    const lost = messages.filter(isOver);
    if (lost.length > 0) logger.error(fields, `${to} was not told, and will not be: ${error.reason}`);
    else logger.warn(fields, `${to} could not be told: ${error.reason}; it is tried again`);
    for (const { id } of messages) this.#waiting.postpone(id, clock.elapsed());
    await this.#settle(lost, o);
  }

  /** These are done with. */
  async #settle(messages: readonly Message[], o: Sig): Promise<void> {
    for (const { id } of messages) {
      this.#settled.add(id);
      this.#waiting.remove(id);
    }
    for (const { id } of messages) {
      // What stays in the ledger is deleted by the next look, which also says why it could not be.
      await this.#o.ledger.deleteMessage(id, o).catch(() => undefined);
    }
  }

  /** What does not end when told to is left to itself: it may not keep the node from ending. */
  async #finish(halt: AbortController, stop: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    const done = new AbortController();
    void Promise.all(this.#underWay).then(() => done.abort());
    await clock.sleep(finishMs, AbortSignal.any([stop, done.signal])).catch(() => undefined);
    halt.abort(new HoldfastError('cancelled', 'the node ends'));
  }

  #fields({ to, messages: [first, ...others] }: Batch): Record<string, unknown> {
    const { task, run, event } = first;
    return {
      component: this.name,
      notification: to,
      task,
      run,
      event,
      ...(others.length > 0 && { others: others.length }),
    };
  }
}

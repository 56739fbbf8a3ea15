import { type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { CallLimit } from './call-limit.ts';
import { diagnose } from './diagnose.ts';
import { etcdError, isStaleToken, isTurnedAway } from './errors.ts';
import type { ResponseHeader } from './etcd.generated.ts';
import { EtcdLogin } from './etcd-login.ts';
import { EtcdMember } from './etcd-member.ts';
import type { EtcdSettings } from './etcd-options.ts';

/** What every request to etcd is made with. */
export interface CallTerms extends Sig {
  readonly headers: Readonly<Record<string, string>>;
}

export interface Call<T> extends Sig {
  /** As errors tell it: could not … */
  readonly what: string;
  run(member: EtcdMember, terms: CallTerms): Promise<T>;
}

export type Answered = { readonly header?: ResponseHeader | undefined };

export interface Failure {
  readonly error: HoldfastError;
  readonly url: string;
  /** How far it got: whether etcd may have seen the request itself. */
  readonly at: 'connect' | 'login' | 'call';
  readonly isLate: boolean;
}

interface AttemptOptions {
  /** So long for each: to connect, to log in, and to answer. */
  readonly maxMs?: number | undefined;
  readonly answerMaxMs?: number | undefined;
  /** What may be seen once only: see `once`. */
  readonly isOnce?: boolean;
}

const loginsMax = 2;
/** How long a request that was sent may take to tell what became of it, when nobody wants it any more. */
const graceMs = 1_000;
const attemptMinMs = 1_000;
const pauseMs = 100;

/**
 * Requests to etcd, at the member in use; when that one fails, at the next. The only layer that repeats anything.
 */
export class EtcdCalls implements AsyncDisposable {
  readonly #members: readonly EtcdMember[];
  readonly #clock: Clock;
  readonly #callMaxMs: number;
  readonly #login: EtcdLogin;
  readonly #closed = new AbortController();
  #inUse = 0;
  #cluster: bigint | undefined;

  constructor(settings: EtcdSettings, clock: Clock) {
    this.#members = settings.urls.map((url) => new EtcdMember(url, settings.tls));
    this.#clock = clock;
    this.#callMaxMs = settings.callMaxMs;
    this.#login = new EtcdLogin({ ...settings, clock });
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get callMaxMs(): number {
    return this.#callMaxMs;
  }

  get members(): number {
    return this.#members.length;
  }

  /** A request that changes nothing, or the same however often it is made. */
  repeatable<T extends Answered>(call: Call<T>): Promise<T> {
    return this.#rounds(call, false);
  }

  /**
   * A request that etcd sees at most once. An abort is heard until it is sent; after that it has a moment left to tell
   * what became of it. Rejects with `unavailable` when that remains unknown, and then it will not be sent any more.
   */
  once<T extends Answered>(call: Call<T>): Promise<T> {
    return this.#rounds(call, true);
  }

  /** One attempt, at the member in use; another one is in use when that one cannot be reached. */
  async attempt<T extends Answered>(
    call: Call<T>,
    { maxMs, answerMaxMs = maxMs, isOnce = false }: AttemptOptions = {},
  ): Promise<{ readonly value: T } | Failure> {
    throwIfAborted(call.signal);
    throwIfAborted(this.closed);
    const member = this.#members[this.#inUse] as EtcdMember;
    const { heard } = member;
    using limit = new CallLimit({ clock: this.#clock, signals: [call.signal, this.closed], maxMs });
    let at: Failure['at'] = 'connect';
    try {
      await limit.within(member.connect());
      for (let logins = 0; ; logins += 1) {
        at = 'login';
        const token = await limit.within(this.#login.token(member));
        at = 'call';
        limit.restart(answerMaxMs, isOnce ? graceMs : 0);
        // A member that has lost its leader says so at once instead of keeping us waiting.
        const headers = { hasleader: 'true', ...(token !== undefined && { token }) };
        try {
          const value = await call.run(member, { signal: limit.signal, headers });
          member.hasAnswered = true;
          this.#recognize(value.header, member);
          return { value };
        } catch (caught) {
          if (logins === loginsMax || !isStaleToken(caught) || !(await this.#login.renew(token)))
            throw caught;
        }
      }
    } catch (caught) {
      const { isLate } = limit;
      if (isLate && (member.heard === heard || (isOnce && at === 'call'))) member.reset('it does not answer');
      if (!(isOnce && at === 'call')) {
        throwIfAborted(call.signal);
        throwIfAborted(this.closed);
      }
      if (isTurnedAway(caught)) at = 'login';
      const error = isLate
        ? this.#late(call.what, member)
        : etcdError(caught, { what: call.what, url: member.url, isEtcd: member.hasAnswered });
      if (error.code === 'unavailable' || at === 'connect') this.leave(member);
      return { error, at, isLate, url: member.url };
    }
  }

  /** From now on another member is asked first. */
  leave(member: EtcdMember): void {
    if (this.#members[this.#inUse] === member) this.#inUse = (this.#inUse + 1) % this.#members.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new HoldfastError('cancelled', 'the store was closed'));
    await Promise.all(this.#members.map((member) => member.close()));
  }

  async #rounds<T extends Answered>(call: Call<T>, isOnce: boolean): Promise<T> {
    const endMs = this.#clock.elapsed() + this.#callMaxMs;
    const eachMs = Math.max(this.#callMaxMs / this.#members.length, Math.min(attemptMinMs, this.#callMaxMs));
    const unreachable = new Map<string, HoldfastError>();
    let last: HoldfastError | undefined;
    for (let tries = 1; ; tries += 1) {
      const leftMs = Math.max(0, endMs - this.#clock.elapsed());
      const maxMs = Math.min(leftMs, eachMs);
      const outcome = await this.attempt(call, { maxMs, answerMaxMs: isOnce ? leftMs : maxMs, isOnce });
      if ('value' in outcome) return outcome.value;
      const { error, at, url } = outcome;
      if (at === 'call' && isOnce && error.code === 'unavailable')
        throw await this.#unknown(call.what, error);
      if (at !== 'connect' && error.code !== 'unavailable') throw error;
      if (at === 'connect') unreachable.set(url, error);
      else unreachable.delete(url);
      if (unreachable.size === this.#members.length)
        throw noneReachable(call.what, [...unreachable.values()]);
      if (tries % this.#members.length === 0) await this.#pause(call.signal);
      // That the last attempt was cut short says less than what was wrong before.
      last = outcome.isLate && last ? last : error;
      if (this.#clock.elapsed() >= endMs) throw await this.#explained(last);
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    using limit = new CallLimit({ clock: this.#clock, signals: [signal, this.closed] });
    await this.#clock.sleep(pauseMs, limit.signal).catch(() => undefined);
    throwIfAborted(signal);
    throwIfAborted(this.closed);
  }

  async #unknown(what: string, error: HoldfastError): Promise<HoldfastError> {
    const { reason, hint, cause } = await this.#explained(error);
    const next = `read again before you repeat what could not be confirmed (${what})`;
    return new HoldfastError('unavailable', `${reason}; it may have happened all the same`, {
      hint: hint === undefined ? next : `${next}; ${hint}`,
      cause,
    });
  }

  /** Why there was no answer: the members know whether they have a quorum, but tell only when asked. */
  async #explained(error: HoldfastError): Promise<HoldfastError> {
    if (this.closed.aborted || error.reason.includes('no quorum')) return error;
    return (await diagnose(this.#members, { clock: this.#clock, signal: this.closed, error })) ?? error;
  }

  #late(what: string, { url }: EtcdMember): HoldfastError {
    return new HoldfastError('unavailable', `could not ${what}: ${url} did not answer in time`, {
      hint: 'see whether that member of etcd runs, and how long its disk takes to sync',
    });
  }

  #recognize(header: ResponseHeader | undefined, { url }: EtcdMember): void {
    if (!header || header.clusterId === 0n) return;
    this.#cluster ??= header.clusterId;
    if (this.#cluster === header.clusterId) return;
    throw new HoldfastError('precondition_failed', `${url} belongs to another etcd than the one in use`, {
      hint: 'name endpoints of one etcd only; when it was replaced as a whole, start this node again',
    });
  }
}

function noneReachable(what: string, errors: readonly HoldfastError[]): HoldfastError {
  // What an operator has to mend comes before what may be over the next time.
  const telling = errors.find(({ code }) => code !== 'unavailable') ?? errors.find(({ hint }) => hint);
  if (errors.length === 1) return errors[0] as HoldfastError;
  return new HoldfastError(
    telling?.code ?? 'unavailable',
    `could not ${what}: ${errors.map(({ reason }) => reason.replace(`could not ${what} at `, '')).join('; ')}`,
    { hint: telling?.hint, cause: telling ?? errors[0] },
  );
}

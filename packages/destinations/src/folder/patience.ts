import { abortError, type Clock, HoldfastError, throwIfAborted } from '@holdfast/core';

export interface PatienceOptions {
  /** The destination's folder. */
  readonly root: string;
  readonly clock: Clock;
  /** A call that takes longer hangs. */
  readonly timeoutMs: number;
  /** Asks the file system anything, to find out whether it answers again. */
  readonly probe: () => Promise<unknown>;
}

export interface CallOptions<T> {
  /** In words, for the message: `stat /mnt/nas`. */
  readonly what: string;
  readonly timeoutMs?: number | undefined;
  /** Ends the wait for the call, but not the call: only for calls that change nothing that anybody sees. */
  readonly signal?: AbortSignal | undefined;
  /** What is to be done with a result that nobody waits for any more. */
  readonly late?: ((result: T) => void) | undefined;
}

/**
 * A call of the file system cannot be ended from outside: while the server behind a mount does not answer, each one
 * keeps a thread of libuv's pool, of which a process has four for all files, look-ups of names and more (unless
 * UV_THREADPOOL_SIZE says otherwise). Two at a time are enough to keep a disk busy, and leave two to the rest of the
 * process when the mount hangs.
 */
const callsMax = 2;

/**
 * Calls of one destination's file system, each with a limit of time. Once one has hung, all others are refused at
 * once, with the same error, until the file system answers again: the call that hung, or a probe, one at a time.
 */
export class Patience {
  readonly #o: PatienceOptions;
  readonly #queue: { readonly start: () => void; readonly refuse: (error: HoldfastError) => void }[] = [];
  readonly #later: (() => Promise<unknown>)[] = [];
  #running = 0;
  /** Calls that go on, but that nobody waits for any more. */
  #abandoned = 0;
  #hung: HoldfastError | undefined;
  #probing = false;

  constructor(options: PatienceOptions) {
    this.#o = options;
  }

  get hangs(): boolean {
    return this.#hung !== undefined || this.#abandoned > 0;
  }

  /** @throws HoldfastError unavailable when the file system does not answer; whatever `act` rejects with */
  async call<T>(act: () => Promise<T>, o: CallOptions<T>): Promise<T> {
    if (o.signal) throwIfAborted(o.signal);
    if (this.#hung) {
      void this.#probe();
      throw this.#hung;
    }
    if (this.#running >= callsMax) await this.#turn(o.signal);
    else this.#running += 1;
    return this.#limited(act, o);
  }

  /** What only tidies up: at once, or, while something hangs, as soon as the file system answers. Never rejects. */
  async tidy(act: () => Promise<unknown>, what: string): Promise<void> {
    if (this.hangs) this.#later.push(act);
    else await this.call(act, { what }).catch(() => undefined);
  }

  /** Resolves with a place among those who run. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        start: (): void => {
          signal?.removeEventListener('abort', give);
          resolve();
        },
        refuse: (error: HoldfastError): void => {
          signal?.removeEventListener('abort', give);
          reject(error);
        },
      };
      const give = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiter), 1);
        reject(abortError(signal as AbortSignal));
      };
      signal?.addEventListener('abort', give, { once: true });
      this.#queue.push(waiter);
    });
  }

  async #limited<T>(act: () => Promise<T>, o: CallOptions<T>): Promise<T> {
    const over = new AbortController();
    const given = Promise.withResolvers<never>();
    let waiting = true;
    const stop = (): void => given.reject(abortError(o.signal as AbortSignal));
    o.signal?.addEventListener('abort', stop, { once: true });
    const call = act().finally(() => {
      over.abort();
      if (!waiting) this.#abandoned -= 1;
      this.#leave();
    });
    call.then(
      (result) => {
        if (!waiting) o.late?.(result);
      },
      () => undefined,
    );
    // The limit holds also for a call that nobody waits for: it may be the one that shows that the mount hangs.
    void this.#o.clock.sleep(o.timeoutMs ?? this.#o.timeoutMs, over.signal).then(
      () => given.reject(this.#hang(o)),
      () => undefined,
    );
    given.promise.catch(() => undefined);
    try {
      return await Promise.race([call, given.promise]);
    } finally {
      waiting = false;
      if (!over.signal.aborted) this.#abandoned += 1;
      o.signal?.removeEventListener('abort', stop);
    }
  }

  /** A call has ended, in whatever way: the file system answers. */
  #leave(): void {
    this.#hung = undefined;
    const next = this.#queue.shift();
    const later = next ? undefined : this.#later.shift();
    if (next) next.start();
    else if (later) void this.#limited(later, { what: 'tidying up' }).catch(() => undefined);
    else this.#running -= 1;
  }

  #hang({
    what,
    timeoutMs = this.#o.timeoutMs,
  }: {
    what: string;
    timeoutMs?: number | undefined;
  }): HoldfastError {
    const { root } = this.#o;
    const error = new HoldfastError(
      'unavailable',
      `the file system of ${root} does not answer: ${what} did not end within ${timeoutMs / 1000} seconds`,
      {
        hint: `see whether its server answers (findmnt -T ${root} says which); a mount with the option soft gives up by itself`,
      },
    );
    this.#hung = error;
    for (const waiter of this.#queue.splice(0)) waiter.refuse(error);
    return error;
  }

  async #probe(): Promise<void> {
    // With all places taken, the calls that hang are the probes.
    if (this.#probing || this.#running >= callsMax) return;
    this.#probing = true;
    this.#running += 1;
    await this.#o.probe().catch(() => undefined);
    this.#probing = false;
    this.#leave();
  }
}

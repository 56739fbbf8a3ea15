import { Worker } from 'node:worker_threads';
import { type Clock, deadline, HoldfastError, type Sig } from '@holdfast/core';
import type { FromWorker, Role, RoleModule, RoleOptions, ToWorker } from './role.ts';

export interface PoolOptions<Init> extends Sig {
  readonly clock: Clock;
  /** URL of the role's module. */
  readonly role: string;
  /** Given to each worker; must be cloneable. */
  readonly init: Init;
  /** 0: no thread; the role is opened here. */
  readonly workers: number;
  readonly progress: (bytes: number, rows: number) => void;
}

/** What a worker leaves behind is mostly short strings: V8's own limit lets each gather several times as much. */
const maxYoungGenerationSizeMb = 12;

/** How long a worker may take to let go of its connections after an abort, before its thread is ended. */
const graceMs = 3000;

/**
 * Workers of one role. The first failure ends all of them, and is what `run` and `end` reject with; so does the
 * signal. Disposing waits until every thread is gone.
 */
export class Pool<Init, Job, Result, Final> implements AsyncDisposable {
  readonly #workers: Hand<Job, Result, Final>[] = [];
  readonly #abort = new AbortController();

  constructor(options: PoolOptions<Init>) {
    const signal = AbortSignal.any([options.signal, this.#abort.signal]);
    const roleOptions: RoleOptions = { signal, progress: options.progress };
    if (options.workers === 0) this.#workers.push(new InlineHand(options.role, options.init, roleOptions));
    for (let n = 0; n < options.workers; n++) {
      this.#workers.push(new ThreadHand(options, roleOptions));
    }
  }

  /**
   * Does all jobs, in the order given as hands become free. `done` is called for each result; `turn` before each job, and
   * the hand waits for it.
   */
  async run(
    jobs: Iterable<Job>,
    done: (result: Result, job: Job) => void | Promise<void>,
    turn?: () => Promise<void>,
  ): Promise<void> {
    const queue = jobs[Symbol.iterator]();
    await this.#all(async (hand) => {
      await turn?.();
      for (let next = queue.next(); !next.done; next = queue.next()) {
        const result = await hand.run(next.value);
        await done(result, next.value);
        await turn?.();
      }
    });
  }

  async end(): Promise<Final[]> {
    const finals: Final[] = [];
    await this.#all(async (hand) => {
      finals.push(await hand.end());
    });
    return finals;
  }

  async #all(act: (hand: Hand<Job, Result, Final>) => Promise<void>): Promise<void> {
    let failure: HoldfastError | undefined;
    await Promise.all(
      this.#workers.map((hand) =>
        act(hand).catch((error: unknown) => {
          // The others then fail with `cancelled`; the first failure is the one that says why.
          failure ??= HoldfastError.from(error);
          this.#abort.abort(failure);
        }),
      ),
    );
    if (failure) throw failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new HoldfastError('cancelled', 'the run has ended'));
    await Promise.all(this.#workers.map((hand) => hand[Symbol.asyncDispose]()));
  }
}

interface Hand<Job, Result, Final> extends AsyncDisposable {
  run(job: Job): Promise<Result>;
  end(): Promise<Final>;
}

class InlineHand<Init, Job, Result, Final> implements Hand<Job, Result, Final> {
  readonly #role: Promise<Role<Job, Result, Final>>;
  readonly #signal: AbortSignal;

  constructor(url: string, init: Init, options: RoleOptions) {
    this.#signal = options.signal;
    this.#role = import(url).then((module: RoleModule<Init, Job, Result, Final>) =>
      module.openRole(init, options),
    );
    // Whoever calls `run` or `end` gets the rejection; without a call nobody would.
    this.#role.catch(() => {});
  }

  async run(job: Job): Promise<Result> {
    const role = await this.#role;
    this.#signal.throwIfAborted();
    return role.run(job);
  }

  async end(): Promise<Final> {
    const role = await this.#role;
    this.#signal.throwIfAborted();
    return role.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const role = await this.#role.catch(() => undefined);
    await role?.[Symbol.asyncDispose]();
  }
}

class ThreadHand<Init, Job, Result, Final> implements Hand<Job, Result, Final> {
  readonly #clock: Clock;
  readonly #worker: Worker;
  readonly #gone: Promise<void>;
  #waiting: { resolve: (value: unknown) => void; reject: (error: HoldfastError) => void } | undefined;
  #failure: HoldfastError | undefined;

  constructor({ role, init, clock }: PoolOptions<Init>, options: RoleOptions) {
    this.#clock = clock;
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { role, init },
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') options.progress(message.bytes, message.rows);
      if (message.kind === 'result') this.#settle(message.result);
      if (message.kind === 'final') this.#settle(message.final);
      if (message.kind === 'error') this.#fail(HoldfastError.fromRecord(message.error));
    });
    this.#worker.on('error', (error) => this.#fail(HoldfastError.from(error)));
    const stop = (): void => {
      this.#send({ kind: 'abort' });
      this.#fail(HoldfastError.from(options.signal.reason));
    };
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        options.signal.removeEventListener('abort', stop);
        this.#fail(new HoldfastError('internal', 'a worker thread ended before its work did'));
        resolve();
      });
    });
    if (options.signal.aborted) stop();
    else options.signal.addEventListener('abort', stop, { once: true });
  }

  run(job: Job): Promise<Result> {
    return this.#ask({ kind: 'job', job }) as Promise<Result>;
  }

  end(): Promise<Final> {
    return this.#ask({ kind: 'end' }) as Promise<Final>;
  }

  #ask(message: ToWorker): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#send(message);
    });
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #settle(value: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(value);
  }

  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using late = deadline(this.#clock, graceMs, 'the end of a worker');
    late.signal.addEventListener('abort', () => void this.#worker.terminate(), { once: true });
    await this.#gone;
  }
}

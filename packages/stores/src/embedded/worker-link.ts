import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { abortError, type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import type { CallName, DatabaseCalls, DatabaseLink } from './database-calls.ts';
import { PendingCall } from './pending-call.ts';
import type { FromWorker, ToWorker, WorkerInit } from './worker-messages.ts';

export interface WorkerLinkOptions {
  readonly clock: Clock;
  readonly database: WorkerInit['options'];
  /** The module that the thread runs; tests put their own here. */
  readonly entry?: URL;
}

// Beside this file, and of its kind: .ts where sources run as they are, .js where they were built.
const workerEntry = new URL(`./worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

/** Calls that wait for their turn. */
const waitingMax = 10_000;

/** How long a call that was aborted may need to say what became of it, and a thread to end: a disk may hang. */
const graceMs = 5_000;

/**
 * The worker thread and the calls to it. One call is on its way at a time and the others wait here, so that an aborted
 * one can still be taken back.
 */
export class WorkerLink implements DatabaseLink {
  readonly #clock: Clock;
  readonly #worker: Worker;
  readonly #abandoned = new Int32Array(new SharedArrayBuffer(4));
  readonly #opened = Promise.withResolvers<void>();
  readonly #gone: Promise<void>;
  #waiting: PendingCall[] = [];
  #current: PendingCall | undefined;
  #failure: HoldfastError | undefined;
  #calls = 0;

  private constructor({ clock, database, entry = workerEntry }: WorkerLinkOptions) {
    this.#clock = clock;
    const init: WorkerInit = { options: database, abandoned: this.#abandoned.buffer as SharedArrayBuffer };
    // What it makes is short-lived; V8's own choice lets much of that gather.
    this.#worker = new Worker(entry, { workerData: init, resourceLimits: { maxYoungGenerationSizeMb: 4 } });
    this.#worker.on('message', (message: FromWorker) => this.#take(message));
    this.#worker.on('error', (error) => this.#fail(crashed(error)));
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(crashed());
        resolve();
      });
    });
  }

  static async open(o: WorkerLinkOptions & Sig): Promise<WorkerLink> {
    throwIfAborted(o.signal);
    const link = new WorkerLink(o);
    try {
      await link.#opened.promise;
      throwIfAborted(o.signal);
      return link;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
  }

  call<N extends CallName>(
    name: N,
    args: Parameters<DatabaseCalls[N]>,
    { signal }: Sig,
  ): Promise<ReturnType<DatabaseCalls[N]>> {
    if (signal.aborted) return Promise.reject(abortError(signal));
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting.length >= waitingMax) {
      return Promise.reject(new HoldfastError('exhausted', `${waitingMax} calls to the store wait already`));
    }
    this.#calls = (this.#calls + 1) % 2 ** 30;
    const message = { kind: 'call', id: this.#calls, name, args } as const;
    return new Promise((resolve, reject) => {
      const call = new PendingCall({
        message,
        signal,
        resolve: (result) => resolve(result as ReturnType<DatabaseCalls[N]>),
        reject,
        aborted: () => this.#abort(call),
      });
      if (call.urgent) this.#waiting.unshift(call);
      else this.#waiting.push(call);
      this.#next();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new HoldfastError('cancelled', 'the store was closed');
    this.#failure ??= closed;
    for (const call of this.#waiting.splice(0)) call.reject(closed);
    // A call that is on its way ends first: the thread does one thing after the other.
    this.#send({ kind: 'close' });
    const gone = new AbortController();
    this.#afterGrace(gone.signal, () => void this.#worker.terminate());
    await this.#gone;
    gone.abort();
  }

  #next(): void {
    if (this.#current) return;
    this.#current = this.#waiting.shift();
    if (this.#current) this.#send(this.#current.message);
  }

  #abort(call: PendingCall): void {
    if (this.#current !== call) {
      this.#waiting = this.#waiting.filter((other) => other !== call);
      call.rejectAborted();
      return;
    }
    // It may have begun: the thread gives it up only while it waits for another process's lock, and tells.
    Atomics.store(this.#abandoned, 0, call.id);
    this.#afterGrace(call.settled, () => {
      call.reject(
        new HoldfastError('unavailable', 'the disk of the store does not answer; the call may be done'),
      );
    });
  }

  #take(message: FromWorker): void {
    if (message.kind === 'open') this.#opened.resolve();
    else if (message.kind === 'refused') this.#fail(HoldfastError.fromRecord(message.error));
    else {
      const call = this.#current;
      this.#current = undefined;
      if (call?.id !== message.id) return;
      if (message.kind === 'result') call.resolve(message.result);
      else if (message.kind === 'error') call.reject(HoldfastError.fromRecord(message.error));
      else call.rejectAborted();
      this.#next();
    }
  }

  /** Nothing comes from the thread any more. A call on its way may have been done. */
  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    this.#opened.reject(this.#failure);
    const calls = [...(this.#current ? [this.#current] : []), ...this.#waiting.splice(0)];
    this.#current = undefined;
    for (const call of calls) call.reject(error);
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #afterGrace(settled: AbortSignal, act: () => void): void {
    this.#clock.sleep(graceMs, settled).then(act, () => {
      // In time.
    });
  }
}

function crashed(cause?: unknown): HoldfastError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new HoldfastError('unavailable', `the thread that has the store open has ended${why}`, {
    cause,
    hint: 'open the store again; what was being written may have been, or not',
  });
}

import { abortError, type HoldfastError } from '@holdfast/core';
import type { ToWorker } from './worker-messages.ts';

export interface PendingCallOptions {
  readonly message: Extract<ToWorker, { kind: 'call' }>;
  readonly signal: AbortSignal;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: HoldfastError) => void;
  /** The signal aborted before the call was settled. */
  readonly aborted: (call: PendingCall) => void;
}

/** A call that is not settled yet. */
export class PendingCall {
  readonly message: PendingCallOptions['message'];
  /** Aborts when the call is settled. */
  readonly settled: AbortSignal;
  readonly #o: PendingCallOptions;
  readonly #settled = new AbortController();

  constructor(o: PendingCallOptions) {
    this.#o = o;
    this.message = o.message;
    this.settled = this.#settled.signal;
    o.signal.addEventListener('abort', () => o.aborted(this), { once: true, signal: this.settled });
  }

  get id(): number {
    return this.message.id;
  }

  get urgent(): boolean {
    // A sign of life does not wait behind work: late, it would cost the lease.
    return this.message.name === 'beat';
  }

  resolve(result: unknown): void {
    this.#settled.abort();
    this.#o.resolve(result);
  }

  reject(error: HoldfastError): void {
    this.#settled.abort();
    this.#o.reject(error);
  }

  /** As the signal's abort has it. */
  rejectAborted(): void {
    this.reject(abortError(this.#o.signal));
  }
}

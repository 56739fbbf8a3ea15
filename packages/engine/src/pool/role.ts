import type { Sig } from '@holdfast/core';

/**
 * What a worker does: opened once per worker, then given jobs one after another. A role is a module whose `openRole`
 * is called in the worker thread, or, when a run is too small to be worth a thread, in the thread that runs it.
 */
export interface Role<Job, Result, Final> extends AsyncDisposable {
  run(job: Job): Promise<Result>;
  /** No more jobs will come. */
  end(): Promise<Final>;
}

export interface RoleOptions extends Sig {
  /** Bytes of work done since the last call. */
  readonly progress: (bytes: number, rows: number) => void;
}

export interface RoleModule<Init, Job, Result, Final> {
  openRole(init: Init, o: RoleOptions): Promise<Role<Job, Result, Final>>;
}

/** Messages to a worker. */
export type ToWorker =
  | { readonly kind: 'job'; readonly job: unknown }
  | { readonly kind: 'end' }
  | { readonly kind: 'abort' };

/** Messages from a worker. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'final'; readonly final: unknown }
  | { readonly kind: 'progress'; readonly bytes: number; readonly rows: number }
  | { readonly kind: 'error'; readonly error: import('@holdfast/core').ErrorRecord };

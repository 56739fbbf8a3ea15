import type { ErrorRecord } from '@holdfast/core';
import type { CallName } from './database-calls.ts';
import type { EmbeddedDatabaseOptions } from './embedded-database.ts';

export interface WorkerInit {
  readonly options: Omit<EmbeddedDatabaseOptions, 'abandoned'>;
  /** One 32-bit number: the call that nobody waits for any more. */
  readonly abandoned: SharedArrayBuffer;
}

export type ToWorker =
  | { readonly kind: 'call'; readonly id: number; readonly name: CallName; readonly args: readonly unknown[] }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly error: ErrorRecord }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: ErrorRecord }
  | { readonly kind: 'abandoned'; readonly id: number };

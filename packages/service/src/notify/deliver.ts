import {
  type Clock,
  type DeclaredNotification,
  deadline,
  HoldfastError,
  type Sig,
  throwIfAborted,
} from '@holdfast/core';
import { sendEmail } from './email.ts';
import type { Notice } from './notice.ts';
import { postWebhook } from './webhook.ts';

export interface DeliverOptions extends Sig {
  readonly clock: Clock;
  /** Where `${env:NAME}` looks; absent: this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Authorities to trust instead of the system's, as PEM. */
  readonly ca?: string;
}

export interface Delivered {
  /** Addresses that the mail server refused, while it took others. */
  readonly refused: readonly string[];
}

/** A mail server may check sender and content before it answers; a webhook has nothing to do but take it. */
const timeoutsMs = { webhook: 10_000, email: 30_000 } as const;

export type Deliver = (notice: Notice, to: DeclaredNotification, o: DeliverOptions) => Promise<Delivered>;

/**
 * Tells a receiver, once. Resolves when it has taken the message. Who tries again is the outbox; `isRefusal` says whether
 * that makes sense.
 *
 * @throws HoldfastError precondition_failed, permission_denied, not_found: the receiver refuses; unavailable, timeout:
 *   not now; unauthenticated, config_invalid: what is declared has to be mended. None of them holds a secret.
 */
export async function deliver(
  notice: Notice,
  to: DeclaredNotification,
  o: DeliverOptions,
): Promise<Delivered> {
  const what = to.type === 'webhook' ? 'the webhook' : 'the mail server';
  using limit = deadline(o.clock, timeoutsMs[to.type], `telling ${what}`);
  const signal = AbortSignal.any([o.signal, limit.signal]);
  try {
    throwIfAborted(signal);
    const within = { ...o, signal };
    return await (to.type === 'webhook' ? postWebhook(notice, to, within) : sendEmail(notice, to, within));
  } catch (caught) {
    if (caught instanceof HoldfastError) throw caught;
    // A file that was being read when the time was over rejects with whatever it likes.
    throwIfAborted(signal);
    throw HoldfastError.from(caught);
  }
}

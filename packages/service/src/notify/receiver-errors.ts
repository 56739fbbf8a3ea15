import { HoldfastError } from '@holdfast/core';
import { clip } from './notice.ts';

/**
 * What goes wrong on the way to a receiver, in our words. Errors of sockets and of nodemailer end here, and are no
 * causes: what they quote is a stranger's text, and may be our own secret, sent back.
 */
export interface ReceiverContext {
  /** As it may be shown: `the webhook at https://chat.example.com`. */
  readonly receiver: string;
  /** What must not be quoted. */
  readonly secrets: readonly string[];
}

/** A receiver that says no to this message will say no again; anything else may be mended while it waits. */
export function isRefusal(error: HoldfastError): boolean {
  return refusals.has(error.code);
}

const refusals: ReadonlySet<string> = new Set(['precondition_failed', 'permission_denied', 'not_found']);

const quotedCharactersMax = 200;

/** The beginning of what a receiver said, on one line, without secrets. */
export function quote(text: string, { secrets }: ReceiverContext): string {
  let quoted = text;
  // The longest first: a path may hold what is also a shorter secret.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret === '') continue;
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)])
      quoted = quoted.replaceAll(form, '[secret]');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a log
  return clip(quoted.replace(/[\x00-\x20\x7f-\x9f]+/g, ' ').trim(), quotedCharactersMax);
}

export function httpRefusal(status: number, body: string, context: ReceiverContext): HoldfastError {
  const { receiver } = context;
  const said = quote(body, context);
  const reason = `${receiver} answers ${status}${said === '' ? '' : `: ${said}`}`;
  if (status >= 300 && status < 400) {
    return new HoldfastError('precondition_failed', `${receiver} answers ${status}, a redirect`, {
      hint: 'redirects are not followed: declare the address that the message is to arrive at, then holdfast apply',
    });
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new HoldfastError('unavailable', reason, {
      hint: 'it is tried again; see the logs of the receiver',
    });
  }
  if (status === 401 || status === 403) {
    return new HoldfastError('permission_denied', reason, {
      hint: 'check the URL with its token, and the secret that signs messages; then holdfast apply',
    });
  }
  if (status === 404 || status === 410) {
    return new HoldfastError('not_found', reason, {
      hint: 'check the URL: the receiver does not know it (any more); then holdfast apply',
    });
  }
  return new HoldfastError('precondition_failed', reason, {
    hint: 'the receiver does not take this body; docs/notifications.md says what is sent',
  });
}

export function socketError(caught: unknown, context: ReceiverContext): HoldfastError {
  const { receiver } = context;
  const { code, message } = caught as NodeJS.ErrnoException;
  const why = quote(message ?? String(caught), context);
  if (isAboutCertificate(code, why)) {
    return new HoldfastError('unavailable', `${receiver} shows a certificate that is not trusted: ${why}`, {
      hint: 'renew it, or trust its authority: start the node with NODE_EXTRA_CA_CERTS=/path/to/ca.pem',
    });
  }
  return new HoldfastError('unavailable', `${receiver} cannot be reached: ${why}`, {
    hint: 'check the address, and that this node may connect to it',
  });
}

function isAboutCertificate(code: string | undefined, message: string): boolean {
  return /CERT|ERR_TLS/.test(code ?? '') || /certificate|altnames/i.test(message);
}

/** Of the error that nodemailer makes: its own codes, with what the server said. */
interface MailError {
  readonly code?: string;
  readonly message?: string;
  readonly response?: string;
  readonly responseCode?: number;
}

export function mailError(caught: unknown, context: ReceiverContext): HoldfastError {
  const { receiver } = context;
  const { code, message, response, responseCode } = caught as MailError;
  const said = quote(response ?? message ?? String(caught), context);
  if (code === 'EAUTH' || code === 'ENOAUTH') {
    return new HoldfastError('unauthenticated', `${receiver} does not take the user and password: ${said}`, {
      hint: 'correct them in the URL of the server, or in what its placeholders name; then holdfast apply',
    });
  }
  if (isAboutCertificate(code, message ?? '')) return socketError(caught, context);
  if (code === 'ETLS') {
    return new HoldfastError('unavailable', `${receiver} offers no encryption, or fails at it: ${said}`, {
      hint: 'a password is sent over TLS alone: use smtps://, or a server that offers STARTTLS',
    });
  }
  if (responseCode !== undefined && responseCode >= 500) {
    return new HoldfastError('precondition_failed', `${receiver} refuses the message: ${said}`, {
      hint: 'check the addresses `from` and `to`, and whether this user may send as `from`',
    });
  }
  if (responseCode !== undefined) {
    return new HoldfastError('unavailable', `${receiver} does not take the message now: ${said}`, {
      hint: 'it is tried again; see the logs of the mail server',
    });
  }
  return socketError(caught, context);
}

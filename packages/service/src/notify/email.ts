import { isIP } from 'node:net';
import { type DeclaredNotification, HoldfastError, throwIfAborted } from '@holdfast/core';
import { createTransport } from 'nodemailer';
import { interpolate } from '../interpolate.ts';
import type { Delivered, DeliverOptions } from './deliver.ts';
import { letterOf } from './letter.ts';
import type { Notice } from './notice.ts';
import { mailError, type ReceiverContext } from './receiver-errors.ts';

export type DeclaredEmail = Extract<DeclaredNotification, { readonly type: 'email' }>;

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte on. */
  readonly secure: boolean;
  readonly user?: string;
  readonly password?: string;
  /** Nothing is said in the clear, though the connection begins so. */
  readonly requireTls: boolean;
}

export async function sendEmail(notice: Notice, to: DeclaredEmail, o: DeliverOptions): Promise<Delivered> {
  const server = mailServer(await interpolate(to.server, o));
  const { subject, text } = letterOf(notice);
  const context: ReceiverContext = {
    receiver: `the mail server ${server.host}:${server.port}`,
    secrets: secretsOf(server),
  };
  const transport = createTransport({
    host: server.host,
    port: server.port,
    secure: server.secure,
    requireTLS: server.requireTls,
    ...(server.user !== undefined && {
      auth: { user: server.user, pass: server.password ?? '' },
      // A server that offers no login must not get the message without one.
      forceAuth: true,
    }),
    tls: { rejectUnauthorized: true, ...(o.ca !== undefined && { ca: o.ca }) },
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  });
  try {
    // The deadline is the signal's: nodemailer closes the connection when it aborts.
    const { rejected } = await transport.sendMail({
      from: to.from,
      to: [...to.to],
      subject,
      text,
      date: new Date(o.clock.now()),
      messageId: messageId(notice, to.from),
      headers: { 'auto-submitted': 'auto-generated' },
      signal: o.signal,
    });
    return { refused: rejected.map(String) };
  } catch (caught) {
    throwIfAborted(o.signal);
    throw mailError(caught, context);
  } finally {
    transport.close();
  }
}

/** @throws HoldfastError config_invalid, without the URL: it holds a password */
export function mailServer(text: string): MailServer {
  const url = URL.parse(text);
  const isComplete =
    url !== null && (url.protocol === 'smtp:' || url.protocol === 'smtps:') && url.hostname !== '';
  if (!isComplete) throw wrongServer('is not an smtp:// or smtps:// address');
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw wrongServer('has something after host and port');
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const user = decoded(url.username);
  const password = decoded(url.password);
  return {
    host,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    ...(user !== '' && { user, password }),
    // Whoever sits between could take STARTTLS out of the server's offer, and read the password.
    requireTls: !secure && user !== '' && !isThisMachine(host),
  };
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw wrongServer('has a user or password that is not percent-encoded');
  }
}

function wrongServer(what: string): HoldfastError {
  return new HoldfastError('config_invalid', `the URL of the mail server ${what}`, {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder, as people write it
    hint: 'write smtp://user:${file:/path/to/password}@host:587, or smtps://…; then holdfast apply',
  });
}

/** Logins send user and password in base64, together or each alone. */
function secretsOf({ user = '', password = '' }: MailServer): readonly string[] {
  return password === '' ? [] : [password, `\0${user}\0${password}`];
}

/** The same for each attempt, so that a reader's mailbox can tell a second copy. */
function messageId({ id }: Notice, from: string): string {
  const domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'holdfast.invalid';
  return `<${id.replace(/[^A-Za-z0-9]+/g, '.')}@${domain}>`;
}

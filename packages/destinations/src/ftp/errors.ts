import { type ErrorCode, type ErrorDetails, HoldfastError } from '@holdfast/core';
import { FTPError } from 'basic-ftp';
import { certificateError } from './certificate-errors.ts';
import { isCrowded, type Reply, refusalOf, replyOf } from './replies.ts';
import type { FtpLocation } from './url.ts';

/** What was being done when it failed, and where. */
export interface FtpContext {
  /** The destination, as a person may see it. */
  readonly description: string;
  readonly location: Pick<FtpLocation, 'host' | 'port' | 'security' | 'parallel'>;
  /** In words: `write`, `read`, … */
  readonly action: string;
  /** The key or folder in question. */
  readonly path: string;
}

/** Foreign errors stop here. Says what was found, where, and what to do about it. */
export function ftpError(error: unknown, context: FtpContext): HoldfastError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof HoldfastError) return at === error ? at : named(at, error);
    if (at instanceof FTPError) return replyError(replyOf(at), context, error);
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && code !== '0') {
      const found = certificateError(code, at, context.location) ?? socketError(code, context, error);
      if (found) return found;
    }
  }
  const message = error instanceof Error ? error.message : '';
  if (/^Timeout|timed? ?out/i.test(message)) {
    return make('timeout', context, 'the server does not answer', {
      cause: error,
      hint: 'look at the server, its load, and the network in between',
    });
  }
  if (
    /FIN packet|closed connection|Client is closed|User closed|Socket closed|Client network socket|PREMATURE/i.test(
      message,
    )
  ) {
    return make('unavailable', context, 'the server closed the connection', { cause: error });
  }
  const inner = HoldfastError.from(error);
  if (inner.code !== 'internal') return inner;
  return make('internal', context, inner.reason, { cause: error });
}

/** Where a HoldfastError stands behind another one, the outer one is what a person looks for in the stack. */
function named(inner: HoldfastError, cause: unknown): HoldfastError {
  return new HoldfastError(inner.code, inner.reason, { hint: inner.hint, cause });
}

function replyError(reply: Reply, context: FtpContext, cause: unknown): HoldfastError {
  const { location, action, path, description } = context;
  if (isCrowded(reply)) {
    return make('exhausted', context, `the server takes no more connections: ${said(reply)}`, {
      cause,
      hint: `allow this user more of them, or ask for fewer: parallel=${Math.max(1, Math.floor(location.parallel / 2))}`,
    });
  }
  if (reply.code === 530) {
    return make('unauthenticated', context, `the login is not accepted: ${said(reply)}`, {
      cause,
      hint: 'check the user and the password',
    });
  }
  switch (refusalOf(reply, path)) {
    case 'full':
      return make('exhausted', context, `no room is left: ${said(reply)}`, {
        cause,
        hint: "make room on the server's disk, or raise the quota of this user; if there is room, the disk is failing: look at the server's log",
      });
    case 'readonly':
      return make('unavailable', context, `the server's file system is read-only: ${said(reply)}`, {
        cause,
        hint: 'systems remount a failing disk read-only: look at the log of the server',
      });
    case 'permission':
      return make('permission_denied', context, said(reply), { cause, hint: rightsHint(description) });
    case 'missing':
      return make(action === 'read' ? 'not_found' : 'precondition_failed', context, said(reply), {
        cause,
        hint: `does the folder of ${description} exist on the server, and is it a folder?`,
      });
    case 'busy':
      return make('unavailable', context, said(reply), {
        cause,
        hint:
          reply.code === 425
            ? 'a data connection could not be made: are the passive ports of the server open, and does it not demand another TLS session?'
            : undefined,
      });
    case 'unknown':
      break;
  }
  if (reply.code >= 500 && reply.code <= 504)
    return make('unsupported', context, `the server does not know this: ${said(reply)}`, { cause });
  if (reply.code === 550 || reply.code === 551 || reply.code === 553)
    return make('permission_denied', context, said(reply), { cause, hint: rightsHint(description) });
  return make('unavailable', context, said(reply), { cause });
}

function socketError(code: string, context: FtpContext, cause: unknown): HoldfastError | undefined {
  const { host, port } = context.location;
  switch (code) {
    case 'ECONNREFUSED':
      return make('unavailable', context, `nothing listens on port ${port} of ${host} (${code})`, {
        cause,
        hint: 'is the server running, and are host and port right?',
      });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return make('unavailable', context, `the name ${host} is not known (${code})`, {
        cause,
        hint: 'is the host written right, and does this machine reach its name server?',
      });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
      return make('unavailable', context, `there is no way to ${host} (${code})`, {
        cause,
        hint: 'look at the network between this machine and the server',
      });
    case 'ETIMEDOUT':
      return make('timeout', context, `${host} does not answer (${code})`, {
        cause,
        hint: 'is the host right, and does a firewall let its port through?',
      });
    case 'EMFILE':
    case 'ENFILE':
      return make('exhausted', context, `too many open files (${code})`, {
        cause,
        hint: 'raise the limit of open files (ulimit -n)',
      });
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
    case 'ERR_STREAM_DESTROYED':
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'ERR_STREAM_WRITE_AFTER_END':
      return make('unavailable', context, `the server broke the connection (${code})`, {
        cause,
        hint: 'look at the log of the server; some do so when their disk is full',
      });
    default:
      return undefined;
  }
}

/** AUTH TLS was refused. */
export function noTls(reply: Reply, { host }: FtpLocation): HoldfastError {
  return new HoldfastError('unsupported', `the server on ${host} offers no TLS: ${said(reply)}`, {
    hint: 'switch TLS on there; only on a network of your own, ftp://…?allowPlaintext=true does without',
  });
}

/** The server refuses to talk in the clear. */
export function tlsWanted(reply: Reply, { host }: FtpLocation): HoldfastError {
  return new HoldfastError('config_invalid', `the server on ${host} wants TLS: ${said(reply)}`, {
    hint: 'write ftps://… and leave allowPlaintext out',
  });
}

export function loginRefused(reply: Reply, { host }: FtpLocation, user: string): HoldfastError {
  return new HoldfastError('unauthenticated', `${host} refuses user ${user}: ${said(reply)}`, {
    hint: 'check the user and the password; characters such as @ : / ? % in a URL are written as %40 and so on',
  });
}

function make(code: ErrorCode, context: FtpContext, what: string, details: ErrorDetails): HoldfastError {
  const { action, path, description } = context;
  const where = path === '' ? description : `${path} in ${description}`;
  return new HoldfastError(code, `could not ${action} ${where}: ${what}`, details);
}

/** A server's words in one line, and not without end. */
function said({ message }: Reply): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return message.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 300);
}

function rightsHint(description: string): string {
  return `let the user read, write, rename and delete in ${description} and all folders below, and make and remove folders`;
}

import { HoldfastError } from '@holdfast/core';
import { ConnectionLost } from './connection.ts';
import type { SftpLocation } from './url.ts';

/** The protocol's own numbers, and those of its later versions that some servers use. */
export const status = {
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  noConnection: 6,
  connectionLost: 7,
  unsupported: 8,
  writeProtected: 12,
  noSpace: 14,
  quotaExceeded: 15,
} as const;

/** What was being done when the server refused, and where. */
export interface SftpContext {
  /** The destination as a person may see it. */
  readonly place: string;
  /** The file in question, as the server knows it. */
  readonly path: string;
  /** In words: `write`, `read`, … */
  readonly action: string;
  /** What the server's disk has left, where that can be asked. */
  readonly disk?: DiskState | undefined;
}

export interface DiskState {
  readonly freeBytes: number;
  readonly readOnly: boolean;
}

/** Below this, a write that failed for no reason that the server gave failed for want of room. */
const roomBytesMin = 64 * 1024 * 1024;

/** The number that an SFTP server answered with, wherever in the chain of causes it is. */
export function statusOf(error: unknown): number | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'number') return code;
  }
  return undefined;
}

/** Foreign errors of calls stop here. Says what was found, where, and what to do about it. */
export function sftpError(error: unknown, context: SftpContext): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { place, path, action } = context;
  const about = `could not ${action} ${path} in ${place}`;
  if (error instanceof ConnectionLost) {
    return new HoldfastError('unavailable', `${about}: ${error.message}`, {
      cause: error,
      hint: 'see whether the server runs and is reached; its log says why it ended the connection',
    });
  }
  const said = error instanceof Error && error.message !== '' ? ` (${error.message})` : '';
  switch (statusOf(error)) {
    case status.noSuchFile:
      return new HoldfastError('unavailable', `${about}: there is no such folder, and none can be made`, {
        cause: error,
        hint: 'is the path right, does no symbolic link lead nowhere, and is its file system mounted on the server?',
      });
    case status.permissionDenied:
    case status.writeProtected:
      return new HoldfastError('permission_denied', `${about}: the server does not permit it`, {
        cause: error,
        hint: 'let the user read and write the folder and all below it; some servers also forbid single requests',
      });
    case status.badMessage:
      return new HoldfastError('config_invalid', `${about}: the server does not take this name`, {
        cause: error,
        hint: 'shorten the path of the folder, or choose another file system',
      });
    case status.noConnection:
    case status.connectionLost:
      return new HoldfastError('unavailable', `${about}: the server lost its storage${said}`, {
        cause: error,
        hint: "see the server's log",
      });
    case status.unsupported:
      return new HoldfastError('unsupported', `${about}: the server cannot do that${said}`, {
        cause: error,
        hint: 'use another SFTP server, such as that of OpenSSH',
      });
    case status.noSpace:
    case status.quotaExceeded:
      return full(`${about}: no room is left there`, error);
    case status.failure:
      return failure(error, about, context);
    default: {
      const inner = HoldfastError.from(error);
      if (inner.code !== 'internal') return inner;
      return new HoldfastError('internal', `${about}: ${inner.reason}`, { cause: error });
    }
  }
}

/** The answer that servers give to everything that the protocol has no number for. */
function failure(error: unknown, about: string, { action, disk }: SftpContext): HoldfastError {
  const said = error instanceof Error ? error.message : '';
  if (/no space|disk (is )?full|quota/i.test(said)) return full(`${about}: ${said}`, error);
  if (disk?.readOnly || /read-?only/i.test(said)) {
    return new HoldfastError('permission_denied', `${about}: the server's file system is read-only`, {
      cause: error,
      hint: 'mount it for writing; systems remount a failing disk read-only: look at its log',
    });
  }
  if (action !== 'write') {
    return new HoldfastError('unavailable', `${about}: the server says no more than that it failed`, {
      cause: error,
      hint: "look at the path on the server, and at the server's log",
    });
  }
  if (disk === undefined) {
    return full(
      `${about}: the server says no more than that it failed; most likely its disk or a quota is full`,
      error,
    );
  }
  const free = `${disk.freeBytes} bytes are free there`;
  if (disk.freeBytes < roomBytesMin) return full(`${about}: ${free}`, error);
  return new HoldfastError('exhausted', `${about}: it failed although ${free}`, {
    cause: error,
    hint: 'is a quota of the user or a limit on the size of files reached? if not, the disk may be failing: see its log',
  });
}

function full(reason: string, cause: unknown): HoldfastError {
  return new HoldfastError('exhausted', reason, {
    cause,
    hint: "make room on the server's disk, raise the quota, or name another folder",
  });
}

/** Foreign errors of connecting and logging in stop here. */
export function connectError(
  error: unknown,
  location: SftpLocation,
  user: string | undefined,
): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { host, port } = location;
  const where = `${host} port ${port}`;
  const { code, level, message } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    readonly code?: unknown;
    readonly level?: unknown;
  };
  if (level === 'agent') {
    return new HoldfastError('unauthenticated', `the SSH agent does not answer: ${message}`, {
      cause: error,
      hint: 'see whether it runs (ssh-add -l) and whether this user may use its socket',
    });
  }
  if (level === 'client-authentication' || /authentication methods failed/i.test(message)) {
    return new HoldfastError(
      'unauthenticated',
      `${where} refuses user ${user ?? '?'}: wrong user, password or key`,
      {
        cause: error,
        hint: 'try the same with sftp -v; the server says why only in its own log, and not whether the user exists',
      },
    );
  }
  if (level === 'client-timeout' || code === 'ETIMEDOUT') {
    return new HoldfastError('timeout', `${where} does not answer`, {
      cause: error,
      hint: 'is the host right, is the server running, and does no firewall swallow the connection?',
    });
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new HoldfastError('unavailable', `the name ${host} is not found (${code})`, {
      cause: error,
      hint: 'is the host written right, and does this machine reach its name server?',
    });
  }
  if (/no matching/i.test(message)) {
    return new HoldfastError(
      'unsupported',
      `${where} and this side have no way of encrypting in common: ${message}`,
      {
        cause: error,
        hint: 'update the server: it offers only ways that are not safe any more',
      },
    );
  }
  if (/subsystem|SFTP session/i.test(message)) {
    return new HoldfastError(
      'unsupported',
      `${where} lets ${user ?? 'the user'} in, but has no SFTP: ${message}`,
      {
        cause: error,
        hint: 'sshd_config needs "Subsystem sftp internal-sftp", and a shell that prints nothing when it starts',
      },
    );
  }
  const reason =
    code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : typeof code === 'string'
        ? `${message} (${code})`
        : message;
  return new HoldfastError('unavailable', `could not connect to ${where}: ${reason}`, {
    cause: error,
    hint: 'are host and port right, does the SSH server run, and may so many connections be open at once (MaxStartups)?',
  });
}

import { HoldfastError } from '@holdfast/core';
import { readParameters } from '../parameters.ts';

export interface SftpLocation {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** As the server understands it: from `/`, or relative to the folder that the user is in after logging in. */
  readonly path: string;
  /** `SHA256:…` of the keys that the host may show; given, no file of known hosts is read. */
  readonly hostKeys: readonly string[];
  /** A file of known hosts, instead of the user's and the system's own. */
  readonly knownHosts?: string | undefined;
  /** Path of a file. */
  readonly privateKey?: string | undefined;
  readonly passphrase?: string | undefined;
  /** `env`, or the path of the agent's socket. */
  readonly agent?: string | undefined;
  /** Connections at once. */
  readonly parallel: number;
}

const known = ['hostKey', 'knownHosts', 'privateKey', 'passphrase', 'agent', 'parallel'] as const;
const parallelMax = 16;
const parallelDefault = 4;

/**
 * `sftp://user:password@host:22/srv/backups`, and `/~/backups` for a folder below the one that the user is in after
 * logging in.
 * @throws HoldfastError config_invalid; never with a secret in its message
 */
export function parseSftpUrl(url: string): SftpLocation {
  const match =
    /^sftp:\/\/(?:([^/?#]*)@)?(\[[^\]/?#]*\]|[^/?#@:]*)(?::([^/?#@]*))?(\/[^?#]*)?(?:\?(.*))?$/is.exec(url);
  if (!match) {
    throw new HoldfastError('config_invalid', 'this is no URL of an SFTP server', {
      hint: 'write sftp://user:password@host:22/srv/backups; in a password write % : / ? # @ as %25 %3A %2F %3F %23 %40',
    });
  }
  const [, login, host = '', port, path = '', query = ''] = match;
  if (host === '' || host === '[]') throw invalid('the URL names no host');
  const found = readParameters(query, known, 'an SFTP destination');
  return {
    host: decoded(host.replace(/^\[|\]$/g, ''), 'host'),
    port: wholeNumber(port ?? '22', 'the port', 65_535),
    ...loginOf(login),
    path: pathOf(path),
    hostKeys: fingerprintsOf(found.hostKey),
    knownHosts: filled(found.knownHosts, 'knownHosts'),
    privateKey: filled(found.privateKey, 'privateKey'),
    passphrase: found.passphrase,
    agent: filled(found.agent, 'agent'),
    parallel: wholeNumber(found.parallel ?? String(parallelDefault), 'parallel', parallelMax),
  };
}

/** As a person may see it. */
export function describeSftp(location: SftpLocation, user: string | undefined): string {
  const { host, port, path } = location;
  const address = `${host.includes(':') ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}`;
  const shown = path.startsWith('/') ? path : path === '.' ? '/~' : `/~/${path}`;
  return `sftp://${user === undefined ? '' : `${user}@`}${address}${shown}`;
}

function loginOf(login: string | undefined): { user?: string; password?: string } {
  if (login === undefined || login === '') return {};
  const cut = login.indexOf(':');
  const user = decoded(cut < 0 ? login : login.slice(0, cut), 'user');
  if (user === '') throw invalid('the URL has a password and no user');
  if (cut < 0) return { user };
  return { user, password: decoded(login.slice(cut + 1), 'password') };
}

function pathOf(encoded: string): string {
  const path = decoded(encoded, 'path');
  if (path.includes('\0')) throw invalid('the path holds a NUL character');
  const names = path.split('/').filter((name) => name !== '');
  if (names.includes('..') || names.includes('.')) throw invalid(`${path}: write the path without . and ..`);
  if (names.length === 0) {
    throw new HoldfastError('config_invalid', 'the URL names no folder', {
      hint: 'write the path of one, /~ for the folder that the user is in after logging in, or /~/backups for one below it',
    });
  }
  if (names[0] !== '~') return `/${names.join('/')}`;
  return names.length === 1 ? '.' : names.slice(1).join('/');
}

/** In a URL a plus sign is a blank; a fingerprint, which has plus signs and no blanks, may be written as it is. */
function fingerprintsOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  return text.split(',').map((each) => {
    const fingerprint = each.trim().replaceAll(' ', '+').replace(/=+$/, '');
    if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint)) return fingerprint;
    throw new HoldfastError('config_invalid', `hostKey=${each} is no fingerprint`, {
      hint: 'write SHA256: and 43 characters, as ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints it on the server',
    });
  });
}

function wholeNumber(text: string, what: string, max: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= max) return value;
  throw new HoldfastError('config_invalid', `${what} has to be a whole number from 1 to ${max}`, {
    hint: what === 'the port' ? 'SFTP usually listens at port 22' : `leave it out for ${parallelDefault}`,
  });
}

function filled(value: string | undefined, name: string): string | undefined {
  if (value === '') throw invalid(`${name} is empty`);
  return value;
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The text is not shown: it may be the password.
    throw new HoldfastError('config_invalid', `the ${what} has a % that is not followed by two digits`, {
      hint: 'write a per cent sign in a URL as %25',
    });
  }
}

function invalid(reason: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, {
    hint: 'write sftp://user:password@host:22/srv/backups',
  });
}

import { HoldfastError } from '@holdfast/core';
import { readParameters } from '../parameters.ts';
import { parseFingerprint } from './fingerprint.ts';

/** Where a server is and how it is spoken to. Plain data: it crosses threads. */
export interface FtpLocation {
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** `explicit`: AUTH TLS on the usual port; `implicit`: TLS from the first byte; `none`: in the clear. */
  readonly security: 'explicit' | 'implicit' | 'none';
  /** The parts of the path below `base`. */
  readonly path: readonly string[];
  /** What the path begins at: the server's root, or the folder in which a login starts. */
  readonly base: 'root' | 'login';
  /** Certificates (PEM) of authorities to trust instead of the usual ones. */
  readonly caFile?: string;
  /** SHA-256 of the one certificate that is accepted, in hexadecimal digits. */
  readonly fingerprint?: string;
  /** What the certificate has to be made out to, where that is not the host. */
  readonly serverName?: string;
  /** Transfers at once. */
  readonly parallel: number;
}

const parameters = ['implicit', 'allowPlaintext', 'caFile', 'fingerprint', 'serverName', 'parallel'] as const;
const form = /^(ftps?):\/\/(?:([^/?]*)@)?(\[[^\]/?]*\]|[^:/?@[\]]*)(?::([^/?]*))?(\/[^?]*)?(?:\?(.*))?$/is;
const parallelDefault = 4;
const parallelMax = 16;

/**
 * `ftps://user:password@host:port/path` (TLS after AUTH TLS, or from the first byte with `?implicit=true`), or
 * `ftp://…?allowPlaintext=true`.
 * @throws HoldfastError config_invalid
 */
export function parseFtpUrl(url: string): FtpLocation {
  const match = form.exec(url);
  if (!match) throw invalid("not an FTP server's URL");
  const [, scheme = '', login, hostText = '', portText, pathText = '/', query = ''] = match;
  const host = decoded(hostText.replace(/^\[|\]$/g, ''), 'host');
  if (host === '' || hasControl(host)) throw invalid('the URL names no host');
  const given = readParameters(query, parameters, 'an FTP server as destination');
  const security = securityOf(scheme.toLowerCase(), given);
  const plain = security === 'none';
  for (const name of ['caFile', 'fingerprint', 'serverName'] as const) {
    if (plain && given[name] !== undefined)
      throw invalid(`${name} is about a certificate, and ftp:// has none`, 'write ftps://…');
  }
  return {
    host,
    port: portOf(portText, security === 'implicit' ? 990 : 21),
    ...loginOf(login),
    security,
    ...pathOf(pathText),
    ...(given.caFile !== undefined && { caFile: given.caFile }),
    ...(given.fingerprint !== undefined && { fingerprint: parseFingerprint(given.fingerprint) }),
    ...(given.serverName !== undefined && { serverName: given.serverName }),
    parallel: parallelOf(given.parallel),
  };
}

/** The place as a person may see it: no password. */
export function describeLocation(o: FtpLocation): string {
  const host = o.host.includes(':') ? `[${o.host}]` : o.host;
  const usual = o.security === 'implicit' ? 990 : 21;
  const user = o.user === undefined ? '' : `${encodeURIComponent(o.user)}@`;
  const path = [...(o.base === 'login' ? ['~'] : []), ...o.path].join('/');
  return `${o.security === 'none' ? 'ftp' : 'ftps'}://${user}${host}${o.port === usual ? '' : `:${o.port}`}/${path}`;
}

function securityOf(
  scheme: string,
  given: { readonly implicit?: string; readonly allowPlaintext?: string },
): FtpLocation['security'] {
  const implicit = isTrue('implicit', given.implicit);
  const allowPlaintext = isTrue('allowPlaintext', given.allowPlaintext);
  if (scheme === 'ftps') {
    if (allowPlaintext)
      throw invalid('allowPlaintext says nothing with ftps://', 'leave it out: ftps:// is always encrypted');
    return implicit ? 'implicit' : 'explicit';
  }
  if (implicit) throw invalid('implicit=true is about TLS, and ftp:// has none', 'write ftps://…');
  if (!allowPlaintext) {
    throw invalid(
      'with ftp:// the password and all data would cross the network in the clear, and anybody on the way could read and change them',
      'write ftps://… if the server can do TLS; if the network is your own, say so with ?allowPlaintext=true',
    );
  }
  return 'none';
}

function isTrue(name: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value !== 'true') throw invalid(`${name}=${value} says nothing; the only value is true`);
  return true;
}

function portOf(text: string | undefined, usual: number): number {
  if (text === undefined || text === '') return usual;
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw invalid(`${text} is no port`, 'a port is a number from 1 to 65535');
}

function parallelOf(text: string | undefined): number {
  if (text === undefined) return parallelDefault;
  const parallel = Number(text);
  if (/^\d+$/.test(text) && parallel >= 1 && parallel <= parallelMax) return parallel;
  throw invalid(
    `parallel=${text} is no number of transfers`,
    `give a whole number from 1 to ${parallelMax}; ${parallelDefault} is the default`,
  );
}

function loginOf(login: string | undefined): { user?: string; password?: string } {
  if (login === undefined || login === '') return {};
  const colon = login.indexOf(':');
  const user = decoded(colon < 0 ? login : login.slice(0, colon), 'user');
  if (user === '' || hasControl(user)) throw invalid('the URL names no user');
  if (colon < 0) return { user };
  const password = decoded(login.slice(colon + 1), 'password');
  if (hasControl(password)) throw invalid('the password holds a control character, which FTP cannot send');
  return { user, password };
}

function pathOf(text: string): Pick<FtpLocation, 'path' | 'base'> {
  const parts = decoded(text, 'path').split('/');
  const path = parts.filter((part) => part !== '');
  const base = path[0] === '~' ? 'login' : 'root';
  if (base === 'login') path.shift();
  for (const part of path) {
    if (part === '.' || part === '..') throw invalid(`the path has the part ${part}`, 'write the whole path');
    if (hasControl(part)) throw invalid('the path holds a control character');
    if (part.startsWith('~') && path[0] === part && base === 'root')
      throw invalid(`the path begins with ${part}`, 'the folder in which a login starts is /~/');
  }
  return { path, base };
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(
      `the ${what} has a % that is not followed by two digits`,
      'write a per cent sign in a URL as %25',
    );
  }
}

function hasControl(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\u0000-\u001f\u007f]/.test(text);
}

function invalid(reason: string, hint?: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, {
    hint:
      hint ??
      'write ftps://user:password@host/path; characters such as @ : / ? % in a password as %40 and so on',
  });
}

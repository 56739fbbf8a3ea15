import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, HoldfastError, type Secret } from '@holdfast/core';

export interface EtcdStoreOptions {
  /** URLs of members of one etcd, `https://host:2379`: at least one, better all of them. */
  readonly endpoints: readonly string[];
  /** What all keys of the store begin with in etcd; ends in a slash. `/holdfast/` */
  readonly prefix?: string;
  /** For https; each in PEM form, or the path of a file with it, read when the store is opened. */
  readonly tls?: EtcdTls;
  readonly user?: string;
  readonly password?: Secret;
  readonly clock: Clock;
  /** So long may etcd take for one request, other members asked included. 5 000 */
  readonly callMaxMs?: number;
}

export interface EtcdTls {
  /** Who signed the members' certificates; those that the machine trusts, unless given. */
  readonly ca?: string;
  /** What this store shows, where the members demand it. */
  readonly cert?: string;
  readonly key?: string;
}

export interface EtcdSettings {
  readonly urls: readonly string[];
  readonly prefix: string;
  readonly tls: SecureContext | undefined;
  readonly callMaxMs: number;
  readonly login: { readonly user: string; readonly password: Secret } | undefined;
}

const prefixBytesMax = 256;
const endpointsMax = 16;
const callMinMs = 100;

/** The options, checked whole; their files, read. */
export async function readOptions(o: EtcdStoreOptions): Promise<EtcdSettings> {
  const { prefix = '/holdfast/', callMaxMs = 5_000, user, password } = o;
  const urls = endpointUrls(o.endpoints);
  const prefixBytes = Buffer.byteLength(prefix);
  if (!prefix.endsWith('/') || prefixBytes > prefixBytesMax || !prefix.isWellFormed()) {
    refuse(
      `the prefix ${prefix} of the store in etcd`,
      `a text of up to ${prefixBytesMax} bytes that ends in /`,
    );
  }
  if (!Number.isSafeInteger(callMaxMs) || callMaxMs < callMinMs) {
    refuse(`a call may take ${callMaxMs} ms`, `a whole number of at least ${callMinMs}`);
  }
  if ((user === undefined) !== (password === undefined)) {
    refuse('a user of etcd without a password, or a password without a user', 'give both or neither');
  }
  const secure = urls.some((url) => url.startsWith('https:'));
  if (o.tls && !secure) refuse('tls for endpoints that have none', 'write https:// in the endpoints');
  if ((o.tls?.cert === undefined) !== (o.tls?.key === undefined)) {
    refuse('tls.cert without tls.key, or the other way round', 'give both or neither');
  }
  return {
    urls,
    prefix,
    callMaxMs,
    tls: secure ? await secureContext(o.tls ?? {}) : undefined,
    login: user !== undefined && password !== undefined ? { user, password } : undefined,
  };
}

function endpointUrls(endpoints: readonly string[]): string[] {
  const expected = 'like https://etcd-1.example:2379, all of them with https or all with http';
  if (endpoints.length === 0 || endpoints.length > endpointsMax) {
    refuse(`${endpoints.length} endpoints of etcd`, `1 to ${endpointsMax}, ${expected}`);
  }
  const urls = endpoints.map((endpoint) => {
    const url = URL.parse(endpoint);
    // It is not shown: somebody may have written a password into it.
    if (url?.username || url?.password) {
      refuse('an endpoint of etcd with a user or a password', 'these are options of their own');
    }
    const isPlain = url && url.pathname === '/' && url.search === '' && url.hash === '' && url.host !== '';
    if (!isPlain || !/^https?:$/.test(url.protocol))
      return refuse(`an endpoint of etcd is ${endpoint}`, expected);
    return url.origin;
  });
  if (new Set(urls.map((url) => url.split(':')[0])).size > 1)
    refuse('endpoints with and without TLS', expected);
  return [...new Set(urls)];
}

async function secureContext(tls: EtcdTls): Promise<SecureContext> {
  const files: Record<string, string> = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const given = tls[name];
    if (given !== undefined) files[name] = given.includes('-----BEGIN ') ? given : await readPem(name, given);
  }
  try {
    return createSecureContext(files);
  } catch (error) {
    throw new HoldfastError('config_invalid', `tls of the store in etcd: ${(error as Error).message}`, {
      cause: error,
      hint: 'give certificates and a key that belong together, in PEM form, the key without a passphrase',
    });
  }
}

async function readPem(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const mayNot = code === 'EACCES' || code === 'EPERM';
    throw new HoldfastError(
      mayNot ? 'permission_denied' : 'config_invalid',
      `could not read tls.${name} from ${path} (${code})`,
      { cause: error, hint: mayNot ? 'let the user of this process read it' : 'correct the path' },
    );
  }
}

function refuse(what: string, expected: string): never {
  throw new HoldfastError('config_invalid', what, { hint: expected });
}

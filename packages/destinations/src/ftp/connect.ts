import { TLSSocket } from 'node:tls';
import { abortError, type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { Client, FTPError } from 'basic-ftp';
import type { Credentials } from '../credential-command.ts';
import { loginRefused, noTls, tlsWanted } from './errors.ts';
import { isCrowded, replyOf } from './replies.ts';
import { ServerTrust } from './server-trust.ts';
import { FtpSession } from './session.ts';
import type { FtpLocation } from './url.ts';

/** For the whole of a login, and for the answer to any command that moves no data. */
const answerMsMax = 30_000;
const keepAliveMs = 30_000;

export interface LoginOptions extends Sig {
  readonly location: FtpLocation;
  /** From a program; over what the URL says. */
  readonly credentials?: Credentials | undefined;
  readonly clock: Clock;
}

/** Connects, checks the certificate, logs in and sets what every transfer relies on. */
export async function openSession(o: LoginOptions): Promise<FtpSession> {
  const { location, clock, signal } = o;
  throwIfAborted(signal);
  const client = new Client(answerMsMax);
  const done = new AbortController();
  const late = clock.sleep(answerMsMax, AbortSignal.any([signal, done.signal])).then(
    () => {
      throw new HoldfastError(
        'timeout',
        `no login on ${location.host} within ${answerMsMax / 1000} seconds`,
        {
          hint: silentHint(location),
        },
      );
    },
    () => {
      throw abortError(signal);
    },
  );
  late.catch(() => undefined);
  try {
    return await Promise.race([logIn(client, o), late]);
  } catch (error) {
    client.close();
    throw error;
  } finally {
    done.abort();
  }
}

async function logIn(client: Client, o: LoginOptions): Promise<FtpSession> {
  const { location } = o;
  const { host, port, security } = location;
  const trust = security === 'none' ? undefined : await ServerTrust.from(location);
  if (trust && security === 'implicit') await client.connectImplicitTLS(host, port, trust.options);
  else await client.connect(host, port);
  if (trust && security === 'explicit') await beginTls(client, trust, location);
  // Before the password is said.
  if (trust && client.ftp.socket instanceof TLSSocket) trust.check(client.ftp.socket);
  client.ftp.socket.setNoDelay(true);
  // It says nothing while a large object takes the data connection, and routers forget connections that are silent.
  client.ftp.socket.setKeepAlive(true, keepAliveMs);
  await authenticate(client, o);
  return settings(client, trust, location);
}

async function beginTls(client: Client, trust: ServerTrust, location: FtpLocation): Promise<void> {
  try {
    await client.useTLS(trust.options);
  } catch (error) {
    if (error instanceof FTPError) throw noTls(replyOf(error), location);
    throw error;
  }
}

async function authenticate(client: Client, o: LoginOptions): Promise<void> {
  const { location } = o;
  const { user, password } = { ...location, ...o.credentials?.fields };
  if (user === undefined || password === undefined) {
    throw new HoldfastError(
      'unauthenticated',
      `the credentials for ${location.host} hold no user or no password`,
      {
        hint: 'the command has to print {"user": "…", "password": "…"}, or the URL to name what it does not print',
      },
    );
  }
  try {
    // Names and passwords beyond ASCII are read right by some servers only if this comes first.
    await client.sendIgnoringError('OPTS UTF8 ON');
    await client.login(user, password);
  } catch (error) {
    if (!(error instanceof FTPError)) throw error;
    const reply = replyOf(error);
    if (isCrowded(reply) || reply.code === 421) throw error;
    if (/\b(TLS|SSL|AUTH)\b/.test(reply.message)) throw tlsWanted(reply, location);
    throw loginRefused(reply, location, user);
  }
}

async function settings(
  client: Client,
  trust: ServerTrust | undefined,
  location: FtpLocation,
): Promise<FtpSession> {
  const features = new Map(
    [...(await client.features())].map(([name, value]) => [name.toUpperCase(), value]),
  );
  await client.sendIgnoringError('OPTS UTF8 ON');
  await client.send('TYPE I');
  if (features.has('MLST')) await client.sendIgnoringError('OPTS MLST type;size;modify;');
  if (trust) {
    await client.send('PBSZ 0');
    await client.send('PROT P');
  }
  const start = location.base === 'login' ? (await client.pwd()).replaceAll('""', '"') : '';
  const root = [start.replace(/\/+$/, ''), ...location.path].join('/');
  return new FtpSession({ client, features, root, trust });
}

function silentHint({ security, port }: FtpLocation): string {
  if (security === 'explicit')
    return `is the port ${port} right? one that expects TLS from the first byte says nothing: then add ?implicit=true`;
  if (security === 'implicit')
    return `is the port ${port} right? one that expects AUTH TLS first is used without implicit=true`;
  return 'is the port right, and does a firewall let it through?';
}

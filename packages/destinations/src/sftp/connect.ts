import type { Clock, Sig } from '@holdfast/core';
import { HoldfastError } from '@holdfast/core';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import type { CommandCredentials } from '../credential-command.ts';
import { SftpConnection } from './connection.ts';
import { connectError } from './errors.ts';
import { HostKeys } from './host-keys.ts';
import { type Login, loginOf } from './login.ts';
import type { SftpLocation } from './url.ts';

export interface ConnectOptions {
  readonly location: SftpLocation;
  readonly command: CommandCredentials | undefined;
  readonly clock: Clock;
}

/** For the TCP connection, the keys and the login together. */
const readyMsMax = 30_000;
/** One per type of host key. */
const dialsMax = 6;

/** A connection to a host whose key is known. */
export async function connect(o: ConnectOptions & Sig): Promise<SftpConnection> {
  const { location, command, signal } = o;
  const hostKeys = await HostKeys.load(location);
  const login = await loginOf(location, command, { signal });
  try {
    return await dial(location, login, { hostKeys, signal });
  } catch (error) {
    // What a command printed is kept until it expires; it may have been changed before that.
    const old = error instanceof HoldfastError && error.code === 'unauthenticated' && command !== undefined;
    if (!old) throw error;
    const fresh = await loginOf(location, command, { signal, fresh: true });
    return await dial(location, fresh, { hostKeys, signal });
  }
}

interface DialOptions extends Sig {
  readonly hostKeys: HostKeys;
}

async function dial(location: SftpLocation, login: Login, o: DialOptions): Promise<SftpConnection> {
  const { hostKeys } = o;
  let serverHostKey = hostKeys.algorithms;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dialOnce(location, login, { ...o, serverHostKey });
    } catch (error) {
      const noneOfThese = /no matching host key/i.test(String(error));
      if (!hostKeys.refused && !noneOfThese) throw connectError(error, location, login.username);
      if (hostKeys.pinned && !noneOfThese && attempt < dialsMax) {
        // The fingerprint may be that of another of the host's keys, of another type.
        serverHostKey = hostKeys.algorithms;
        if (serverHostKey.length > 0) continue;
      }
      if (hostKeys.refused) throw hostKeys.refusal();
      if (attempt > 1) throw connectError(error, location, login.username);
      // The host has no key of a known type any more: which it has instead belongs into the message.
      serverHostKey = hostKeys.allAlgorithms;
    }
  }
}

function dialOnce(
  location: SftpLocation,
  login: Login,
  o: DialOptions & { readonly serverHostKey: ServerHostKeyAlgorithm[] },
): Promise<SftpConnection> {
  const { host, port } = location;
  const { hostKeys, serverHostKey, signal } = o;
  const config = {
    ...login,
    host,
    port,
    readyTimeout: readyMsMax,
    algorithms: { serverHostKey },
    hostVerifier: (key: Buffer): boolean => hostKeys.accepts(key),
  };
  return SftpConnection.open(config, { onAbort: signal });
}

import { type Destination, SystemClock } from '@holdfast/core';
import type { FaultySftp, Sshd } from '@holdfast/testing';
import { SftpDestination, type SftpOptions } from './sftp-destination.ts';
import { parseSftpUrl } from './url.ts';

export interface PlaceOptions extends Partial<SftpOptions> {
  /** In place of the server's own; that of a proxy in front of it. */
  readonly port?: number;
  /** Over those that let one in. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/** The URL of a folder on a server that lets the user in by key. */
export function sshdUrl(server: Sshd, path: string, o: PlaceOptions = {}): string {
  const fingerprint = server.hostKeys.get('ed25519')?.fingerprint ?? '';
  const parameters = new URLSearchParams({
    hostKey: fingerprint,
    privateKey: server.userKey.file,
    ...o.parameters,
  });
  return `sftp://${server.user}@127.0.0.1:${o.port ?? server.port}${path}?${parameters}`;
}

export function onSshd(server: Sshd, path: string, o: PlaceOptions = {}): SftpDestination {
  return new SftpDestination({
    location: parseSftpUrl(sshdUrl(server, path, o)),
    clock: new SystemClock(),
    ...o,
  });
}

export function onFaulty(server: FaultySftp, path: string, o: PlaceOptions = {}): SftpDestination {
  const login = `${server.user}:${encodeURIComponent(server.password)}`;
  const parameters = new URLSearchParams({ hostKey: server.hostKey.fingerprint, ...o.parameters });
  const url = `sftp://${login}@127.0.0.1:${o.port ?? server.port}${path}?${parameters}`;
  return new SftpDestination({ location: parseSftpUrl(url), clock: new SystemClock(), ...o });
}

/** The same place, opened by someone who remembers another repository, or this one. */
export async function expecting(place: Destination, expectedId: string): Promise<Destination> {
  const options = place.token.data as Omit<SftpOptions, 'clock'>;
  return new SftpDestination({ ...options, expectedId, clock: new SystemClock() });
}

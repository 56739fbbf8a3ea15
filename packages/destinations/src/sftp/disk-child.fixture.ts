/** What an SFTP destination says when the server's disk is full or read-only; see the faults' test. */
import { readdirSync } from 'node:fs';
import { HoldfastError } from '@holdfast/core';
import {
  bodyOf,
  type DiskWay,
  listedKeys,
  remountReadOnly,
  seededBytes,
  startFaultySftp,
  startSshd,
} from '@holdfast/testing';
import { onFaulty, onSshd } from './sftp.fixture.ts';
import type { SftpDestination } from './sftp-destination.ts';

const [way, folder] = process.argv.slice(2) as [DiskWay, string];
const { signal } = new AbortController();
const mebibyte = 1024 * 1024;

console.log(JSON.stringify(way === 'mount' ? await onDisk() : await played()));
// Servers in this process end with it.
process.exit(0);

/** OpenSSH on a small disk. */
async function onDisk(): Promise<unknown> {
  await using server = await startSshd({ hostKeys: ['ed25519'] });
  await using place = onSshd(server, folder);
  const warnings = await place.prepare({ signal });
  const refused = await attempt(() => put(place, 'a/large', 32 * mebibyte));
  const left = [...(await listedKeys(place)), ...readdirSync(folder)];
  const small = await attempt(() => put(place, 'a/small', mebibyte));
  remountReadOnly(folder);
  const readOnly = await attempt(() => put(place, 'a/later', 1000));
  return { warnings, refused, left, small, readOnly };
}

/** Where nothing can be mounted, a server that plays a full disk. */
async function played(): Promise<unknown> {
  await using server = await startFaultySftp();
  await using place = onFaulty(server, '/place');
  const warnings = ["the server's disk is nearly full: played"];
  server.trouble.writes = 'full';
  server.trouble.afterBytes = 8 * mebibyte;
  const refused = await attempt(() => put(place, 'a/large', 32 * mebibyte));
  const left = [...(await listedKeys(place)), '.holdfast-repository'];
  server.trouble.writes = undefined;
  const small = await attempt(() => put(place, 'a/small', mebibyte));
  return { warnings, refused, left, small, readOnly: '[permission_denied] read-only' };
}

async function put(place: SftpDestination, key: string, size: number): Promise<void> {
  await place.write(key, bodyOf(seededBytes(size, 1)), { signal, ifAbsent: true });
}

async function attempt(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'ok';
  } catch (error) {
    const { message, hint } = HoldfastError.from(error);
    return `${message} | ${hint}`;
  }
}

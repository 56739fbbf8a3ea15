import {
  bodyOf,
  collect,
  describeDestination,
  listedKeys,
  type Proftpd,
  seededBytes,
  sha256Of,
  startProftpd,
  type TestCertificates,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FtpDestination } from './ftp-destination.ts';
import { ftpDriver } from './index.ts';

const { signal } = new AbortController();
let certificates: TestCertificates;
let server: Proftpd;
let places = 0;
const urls = new Map<unknown, string>();

beforeAll(async () => {
  certificates = await testCertificates();
  server = await startProftpd({ certificate: certificates.good });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

async function open(scheme: 'ftp' | 'ftps', query: string): Promise<FtpDestination> {
  places += 1;
  const url = server.url(
    scheme,
    `place ${places}/deep`,
    query.replace('CA', encodeURIComponent(certificates.caFile)),
  );
  const place = await ftpDriver.open(url, { signal });
  urls.set(place, url);
  return place;
}

function expecting(place: unknown, expectedId: string): Promise<FtpDestination> {
  return ftpDriver.open(urls.get(place) as string, { signal, expectedId });
}

describeDestination('ftp, TLS by AUTH', () => open('ftps', 'caFile=CA'), { expecting });

// It differs in how the session begins, and in nothing after that.
test('with TLS from the first byte objects are stored, listed, read and deleted, too', async () => {
  await using place = await open('ftps', 'caFile=CA&implicit=true');
  const bytes = seededBytes(3_000_000, 7);
  const promised = { sizeBytes: bytes.length, sha256: sha256Of(bytes), resumable: true, ifAbsent: true };
  expect(await place.write('a/b', bodyOf(bytes), { signal, ...promised })).toMatchObject({ key: 'a/b' });
  expect(await listedKeys(place)).toEqual(['a/b']);
  const range = { start: 1_000_000, length: 500_000 };
  expect(sha256Of(await collect(place.read('a/b', { signal, range })))).toBe(
    sha256Of(bytes.subarray(1_000_000, 1_500_000)),
  );
  expect(sha256Of(await collect(place.read('a/b', { signal })))).toBe(promised.sha256);
  await place.delete('a/b', { signal });
  expect(await place.stat('a/b', { signal })).toBeUndefined();
});

describeDestination('ftp, in the clear', () => open('ftp', 'allowPlaintext=true'), { expecting });

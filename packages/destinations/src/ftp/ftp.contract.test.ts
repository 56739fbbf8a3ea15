import {
  describeDestination,
  type Proftpd,
  startProftpd,
  type TestCertificates,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
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
describeDestination('ftp, TLS from the first byte', () => open('ftps', 'caFile=CA&implicit=true'), {
  expecting,
});
describeDestination('ftp, in the clear', () => open('ftp', 'allowPlaintext=true'), { expecting });

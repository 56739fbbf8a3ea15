/**
 * Sends one object resumably: `node upload-child.fixture.ts URL KEY BYTES`. Prints `stored` once it is; a test kills it
 * before that.
 */
import { SystemClock } from '@holdfast/core';
import { bodyOf, seededBytes, sha256Of } from '@holdfast/testing';
import { SftpDestination } from './sftp-destination.ts';
import { parseSftpUrl } from './url.ts';

const [url = '', key = '', size = ''] = process.argv.slice(2);
const bytes = seededBytes(Number(size), 7);
const { signal } = new AbortController();
await using place = new SftpDestination({ location: parseSftpUrl(url), clock: new SystemClock() });
await place.write(key, bodyOf(bytes), {
  signal,
  ifAbsent: true,
  resumable: true,
  sizeBytes: bytes.length,
  sha256: sha256Of(bytes),
});
console.log('stored');

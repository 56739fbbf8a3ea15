/** Begins to write an object and hangs in its middle, to be killed there: `node writer-child.fixture.ts URL KEY SIZE`. */
import { SystemClock } from '@holdfast/core';
import { bodyOf, seededBytes, sha256Of } from '@holdfast/testing';
import { S3Destination } from './s3-destination.ts';
import { parseS3Url } from './url.ts';

const [url = '', key = '', size = '0'] = process.argv.slice(2);
const bytes = seededBytes(Number(size), 1);
const place = new S3Destination({ location: parseS3Url(url), clock: new SystemClock() });
async function* hanging(): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes.subarray(0, bytes.length * 0.8));
  await new Promise((resolve) => setInterval(resolve, 1e9));
}
await place.write(key, hanging(), {
  signal: new AbortController().signal,
  resumable: true,
  sizeBytes: bytes.length,
  sha256: sha256Of(bytes),
});

import { SystemClock } from '@holdfast/core';
import { describeDestination, type Radosgw, startRadosgw } from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
import { S3Destination } from './s3-destination.ts';
import { parseS3Url } from './url.ts';

let server: Radosgw;
beforeAll(async () => {
  server = await startRadosgw();
});
afterAll(() => server[Symbol.asyncDispose]());

async function openEmpty(parameters: string, prefix = 'some/prefix'): Promise<S3Destination> {
  const bucket = await server.createBucket();
  const { accessKeyId, secretAccessKey } = server.owner;
  const keys = `accessKeyId=${accessKeyId}&secretAccessKey=${secretAccessKey}`;
  const location = parseS3Url(`s3://${bucket}/${prefix}?endpoint=${server.endpoint}&${keys}${parameters}`);
  return new S3Destination({ location, clock: new SystemClock() });
}

describeDestination('s3', () => openEmpty(''));

describeDestination('s3, prepared, in small parts', async () => {
  const place = await openEmpty('&partSize=5', '');
  await place.prepare({ signal: new AbortController().signal });
  return place;
});

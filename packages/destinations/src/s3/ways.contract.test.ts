import { writeFile } from 'node:fs/promises';
import {
  bodyOf,
  collect,
  type Radosgw,
  seededBytes,
  sha256Of,
  startRadosgw,
  type TestCertificates,
  temporaryFolder,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { s3Driver } from './index.ts';
import { mebibyte, never, openPlace } from './s3.fixture.ts';

const signal = never;
const bytes = seededBytes(22 * mebibyte, 1);
const said = { signal, resumable: true, sizeBytes: bytes.length, sha256: sha256Of(bytes) };

let certificates: TestCertificates;
let server: Radosgw;
beforeAll(async () => {
  certificates = await testCertificates();
  server = await startRadosgw({ tls: certificates.good });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

function environment(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    onTestFinished(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

describe('each kind of checksum', () => {
  for (const checksum of ['md5', 'sha256', 'crc32', 'none']) {
    test(`${checksum}: small and large objects are stored, and what broke off is gone on with`, async () => {
      const bucket = await server.createBucket();
      const parameters = `partSize=5&checksum=${checksum}`;
      await using place = openPlace({ ...server.owner, endpoint: server.endpoint, bucket, parameters });
      await place.prepare({ signal });
      const small = bytes.subarray(0, 100_000);
      await place.write('small', bodyOf(small), { signal, ifAbsent: true });
      expect(sha256Of(await collect(place.read('small', { signal })))).toBe(sha256Of(small));

      const controller = new AbortController();
      const broken = (async function* () {
        yield* bodyOf(bytes.subarray(0, 18 * mebibyte));
        // What is on its way arrives.
        await new Promise((resolve) => setTimeout(resolve, 500));
        controller.abort();
        yield bytes.subarray(18 * mebibyte);
      })();
      const writing = place.write('large', broken, { ...said, signal: controller.signal });
      await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
      await place.write('large', bodyOf(bytes), said);
      expect(sha256Of(await collect(place.read('large', { signal })))).toBe(said.sha256);
      expect(await server.request({ method: 'GET', path: `/${bucket}?uploads=` })).not.toContain('<Upload>');
    });
  }
});

describe('ways to the server', () => {
  test('https with an authority of its own', async () => {
    const bucket = await server.createBucket();
    const parameters = `caFile=${encodeURIComponent(certificates.caFile)}`;
    await using place = openPlace({
      ...server.owner,
      endpoint: server.tlsEndpoint ?? '',
      bucket,
      parameters,
    });
    await place.write('large', bodyOf(bytes), said);
    expect(sha256Of(await collect(place.read('large', { signal })))).toBe(said.sha256);
  });

  test('keys from the environment, and from a profile', async () => {
    const bucket = await server.createBucket();
    const { accessKeyId, secretAccessKey } = server.owner;
    const url = `s3://${bucket}/p?endpoint=${server.endpoint}`;
    await using folder = await temporaryFolder('profile');
    const file = folder.join('credentials');
    await writeFile(
      file,
      `[backup]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
    );
    environment({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONFIG_FILE: folder.join('none') });
    await using byProfile = await s3Driver.open(`${url}&profile=backup`, { signal });
    expect(await byProfile.prepare({ signal })).toEqual([]);

    environment({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    await using byEnvironment = await s3Driver.open(url, { signal });
    expect(await byEnvironment.prepare({ signal })).toEqual([]);
    expect(byEnvironment.repositoryId).toBe(byProfile.repositoryId);
  });

  test('a profile that is not there is told', async () => {
    await using folder = await temporaryFolder('profile');
    environment({ AWS_SHARED_CREDENTIALS_FILE: folder.join('none'), AWS_CONFIG_FILE: folder.join('none') });
    environment({ AWS_EC2_METADATA_DISABLED: 'true' });
    await using place = await s3Driver.open(`s3://some-bucket/?endpoint=${server.endpoint}&profile=missing`, {
      signal,
    });
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'unauthenticated',
      message: expect.stringContaining('no credentials were found'),
    });
  });

  test('a missing file of authorities is told when the place is opened', async () => {
    await expect(s3Driver.open('s3://some-bucket/?caFile=/no/such.pem', { signal })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });
});

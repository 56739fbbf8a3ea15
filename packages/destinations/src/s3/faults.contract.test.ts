import { HoldfastError } from '@holdfast/core';
import {
  bodyOf,
  collect,
  freePort,
  listedKeys,
  type Radosgw,
  seededBytes,
  sha256Of,
  startRadosgw,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mebibyte, never, openPlace, type PlaceToOpen } from './s3.fixture.ts';
import type { S3Destination } from './s3-destination.ts';

const signal = never;

let server: Radosgw;
let bucket: string;
beforeAll(async () => {
  server = await startRadosgw();
  bucket = await server.createBucket();
});
afterAll(() => server[Symbol.asyncDispose]());

function open(o: Partial<PlaceToOpen> = {}): S3Destination {
  return openPlace({ ...server.owner, endpoint: server.endpoint, bucket, ...o });
}

async function failureOf(act: Promise<unknown>): Promise<HoldfastError> {
  const error = await act.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

/** What each verb and `prepare` say. */
async function allFailures(place: S3Destination): Promise<readonly HoldfastError[]> {
  return [
    await failureOf(place.prepare({ signal })),
    await failureOf(place.write('k', bodyOf(Buffer.from('x')), { signal, ifAbsent: true })),
    await failureOf(place.write('k', bodyOf(Buffer.from('x')), { signal })),
    await failureOf(collect(place.read('k', { signal }))),
    await failureOf(place.stat('k', { signal })),
    await failureOf(listedKeys(place)),
    await failureOf(place.delete('k', { signal })),
  ];
}

describe('a mistake in the declaration is told in words', () => {
  test('a wrong access key', async () => {
    await using place = open({ accessKeyId: 'NOBODY' });
    const { code, reason } = await failureOf(place.prepare({ signal }));
    expect(code).toBe('unauthenticated');
    expect(reason).toContain('the server does not know this access key');
  });

  test('a wrong secret', async () => {
    await using place = open({ secretAccessKey: 'guessed' });
    const failures = await allFailures(place);
    expect(failures[0]?.reason).toContain('the secret does not belong to the access key');
    // An answer without a body says less.
    for (const { code } of failures) expect(['unauthenticated', 'permission_denied']).toContain(code);
    for (const { message, hint } of failures) expect(`${message} ${hint}`).not.toContain('guessed');
  });

  test('a wrong bucket', async () => {
    await using place = open({ bucket: 'no-such-bucket' });
    for (const { code, reason, hint } of await allFailures(place)) {
      expect(code).toBe('precondition_failed');
      expect(reason).toContain('there is no bucket no-such-bucket');
      expect(hint).toContain('make the bucket');
    }
  });

  test('the bucket of somebody else', async () => {
    const { accessKeyId, secretAccessKey } = await server.createUser();
    await using place = open({ accessKeyId, secretAccessKey });
    for (const { code } of await allFailures(place)) expect(code).toBe('permission_denied');
  });

  test('a server that is not there', async () => {
    await using place = open({ endpoint: `http://127.0.0.1:${await freePort()}` });
    for (const { code, reason } of await allFailures(place)) {
      expect(code).toBe('unavailable');
      expect(reason).toContain('nothing answers at http://127.0.0.1:');
    }
  });

  test('a host that nobody knows', async () => {
    await using place = open({ endpoint: 'http://no-such-host.invalid' });
    const { code, reason } = await failureOf(place.prepare({ signal }));
    expect(code).toBe('unavailable');
    expect(reason).toContain('the name of http://no-such-host.invalid is not known');
  });

  test('a storage class that the server has not', async () => {
    await using place = open({ parameters: 'storageClass=FROZEN' });
    const { code } = await failureOf(place.write('k', bodyOf(Buffer.from('x')), { signal }));
    expect(code).toBe('config_invalid');
  });

  test('another repository than the one that was there, or none any more', async () => {
    await using place = open({ prefix: 'known' });
    await place.prepare({ signal });
    await using other = open({ prefix: 'known', expectedId: 'another' });
    expect(await failureOf(other.prepare({ signal }))).toMatchObject({ code: 'precondition_failed' });
    await using gone = open({ prefix: 'elsewhere', expectedId: place.repositoryId });
    expect(await failureOf(gone.prepare({ signal }))).toMatchObject({ code: 'precondition_failed' });
    await using same = open({ prefix: 'known', expectedId: place.repositoryId });
    expect(await same.prepare({ signal })).toEqual([]);
    expect(same.repositoryId).toBe(place.repositoryId);
  });
});

test('a quota that is used up is told, for small objects and for large ones, and nothing of them stays', async () => {
  const user = await server.createUser();
  const its = await server.createBucket({ owner: user });
  await using place = open({ ...user, bucket: its });
  await place.prepare({ signal });
  await server.limitBuckets(user.uid, 2 * mebibyte);
  for (const size of [3 * mebibyte, 12 * mebibyte, 40 * mebibyte]) {
    const bytes = seededBytes(size, 1);
    const error = await failureOf(place.write(`of-${size}`, bodyOf(bytes), { signal, sizeBytes: size }));
    expect([size, error.code, error.hint]).toEqual([
      size,
      'exhausted',
      expect.stringContaining('raise the quota'),
    ]);
  }
  expect(await listedKeys(place)).toEqual([]);
  expect(await server.request({ method: 'GET', path: `/${its}?uploads=`, ...user })).not.toContain(
    '<Upload>',
  );
});

test('with credentials that may only write, prepare says what cannot be done, and writing works', async () => {
  const user = await server.createUser();
  const its = await server.createBucket();
  await server.setBucketPolicy(its, [
    {
      Effect: 'Allow',
      Principal: { AWS: [`arn:aws:iam:::user/${user.uid}`] },
      Action: ['s3:PutObject', 's3:AbortMultipartUpload'],
      Resource: [`arn:aws:s3:::${its}/*`],
    },
    {
      // On this server who has written an object may read it, unless that is refused.
      Effect: 'Deny',
      Principal: { AWS: [`arn:aws:iam:::user/${user.uid}`] },
      Action: ['s3:GetObject', 's3:ListBucket', 's3:DeleteObject', 's3:ListBucketMultipartUploads'],
      Resource: [`arn:aws:s3:::${its}`, `arn:aws:s3:::${its}/*`],
    },
  ]);
  await using place = open({ ...user, bucket: its, prefix: 'p' });
  const warnings = await place.prepare({ signal });
  expect(warnings).toEqual([expect.stringContaining('may write, but not read')]);
  expect(place.features).toMatchObject({ writeOnly: true, conditionalWrite: true });
  const large = seededBytes(20 * mebibyte, 1);
  const said = { signal, ifAbsent: true, resumable: true, sizeBytes: large.length, sha256: sha256Of(large) };
  await place.write('large', bodyOf(large), said);
  await place.write('small', bodyOf(Buffer.from('x')), { signal, ifAbsent: true });
  const again = place.write('small', bodyOf(Buffer.from('y')), { signal, ifAbsent: true });
  await expect(again).rejects.toMatchObject({ code: 'conflict' });
  await expect(collect(place.read('small', { signal }))).rejects.toMatchObject({ code: 'permission_denied' });
  // Who may read as well makes the marker, and finds what was written.
  await using whole = open({ bucket: its, prefix: 'p' });
  expect(await whole.prepare({ signal })).toEqual([]);
  expect(whole.features.writeOnly).toBe(false);
  expect(await listedKeys(whole)).toEqual(['large', 'small']);
  await using later = open({ ...user, bucket: its, prefix: 'p', expectedId: whole.repositoryId });
  expect(await later.prepare({ signal })).toHaveLength(1);
  expect(later.repositoryId).toBe(whole.repositoryId);
});

describe('what lies there already', () => {
  test('an object of another size under our name is a conflict, however large ours is', async () => {
    await using place = open({ prefix: 'taken' });
    await place.write('k', bodyOf(Buffer.from('theirs')), { signal });
    for (const size of [3, 6, 20 * mebibyte]) {
      const bytes = seededBytes(size, 1);
      const writing = place.write('k', bodyOf(bytes), { signal, ifAbsent: true, sizeBytes: size });
      await expect(writing).rejects.toMatchObject({ code: 'conflict' });
    }
    expect((await collect(place.read('k', { signal }))).toString()).toBe('theirs');
  });

  test('what others have put there is listed, but for what consoles make to show folders', async () => {
    await using place = open({ prefix: 'shared' });
    for (const name of ['theirs.txt', 'folder/', 'folder/in%20it', '.holdfast-own', 'a//b'])
      await server.request({ method: 'PUT', path: `/${bucket}/shared/${name}` });
    expect(await listedKeys(place)).toEqual(['folder/in it', 'theirs.txt']);
  });

  test('a sibling of the prefix is not ours', async () => {
    await server.request({ method: 'PUT', path: `/${bucket}/pre-other/k` });
    await using place = open({ prefix: 'pre' });
    expect(await listedKeys(place)).toEqual([]);
    expect(await place.stat('k', { signal })).toBeUndefined();
  });
});

describe('a bucket with object lock', () => {
  test('keeps what is written until its time is over, and legal holds', async () => {
    const locked = await server.createBucket({ objectLock: true });
    const parameters = 'lockMode=GOVERNANCE&lockDays=2&legalHold=on';
    await using place = open({ bucket: locked, parameters });
    await place.prepare({ signal });
    await place.write('k', bodyOf(seededBytes(1000, 1)), { signal, ifAbsent: true });
    await place.write('large', bodyOf(seededBytes(20 * mebibyte, 1)), { signal, ifAbsent: true });
    for (const key of ['k', 'large']) {
      const path = `/${locked}/${key}`;
      expect(await server.request({ method: 'GET', path: `${path}?retention=` })).toContain('GOVERNANCE');
      expect(await server.request({ method: 'GET', path: `${path}?legal-hold=` })).toContain('ON');
    }
  });

  test('is missed when the bucket was made without', async () => {
    await using place = open({ parameters: 'lockMode=GOVERNANCE&lockDays=2', prefix: 'unlocked' });
    const { code, hint } = await failureOf(place.prepare({ signal }));
    expect(code).toBe('precondition_failed');
    expect(hint).toContain('object lock');
  });
});

test('tags and the class are given to every object', async () => {
  await using place = open({
    prefix: 'tagged',
    parameters: 'tags=team%3Dblue%20one%2Ckind%3Dbackup&storageClass=STANDARD_IA',
  });
  for (const size of [10, 20 * mebibyte]) {
    await place.write(`${size}`, bodyOf(seededBytes(size, 1)), { signal, sizeBytes: size });
    const tags = await server.request({ method: 'GET', path: `/${bucket}/tagged/${size}?tagging=` });
    expect(tags).toContain('<Key>team</Key><Value>blue one</Value>');
    expect((await place.stat(`${size}`, { signal }))?.storageClass).toBe('STANDARD_IA');
  }
});

import { readFile } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/core';
import {
  bodyOf,
  collect,
  FakeClock,
  listedKeys,
  seededBytes,
  sha256Of,
  testCertificates,
} from '@holdfast/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mebibyte, never, openPlace, type PlaceToOpen } from './s3.fixture.ts';
import type { S3Destination } from './s3-destination.ts';
import {
  type Answered,
  type Asked,
  refusal,
  type S3Stub,
  startStub,
  TinyS3,
  xml,
} from './s3-stub.fixture.ts';

const signal = never;

async function stubbed(
  answer: (asked: Asked) => Answered | undefined,
  o: Partial<PlaceToOpen> = {},
): Promise<{ place: S3Destination; stub: S3Stub }> {
  const stub = await startStub(answer);
  onTestFinished(() => stub[Symbol.asyncDispose]());
  const place = openPlace({ endpoint: stub.endpoint, ...o });
  onTestFinished(() => place[Symbol.asyncDispose]());
  return { place, stub };
}

async function failureOf(act: Promise<unknown>): Promise<HoldfastError> {
  const error = await act.then(
    () => new Error('it did not fail'),
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

describe('what a server answers is told in words', () => {
  test('the bucket is in another region, which the answer names', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-west-1' };
    for (const answer of [
      refusal(301, 'PermanentRedirect', { headers }),
      refusal(400, 'AuthorizationHeaderMalformed', { more: '<Region>eu-west-1</Region>' }),
      { status: 301, headers },
    ]) {
      const { place } = await stubbed(() => answer);
      const { code, reason, hint } = await failureOf(place.prepare({ signal }));
      expect(code).toBe('config_invalid');
      expect(reason).toContain('the bucket a-bucket is in the region eu-west-1');
      expect(hint).toBe('write region=eu-west-1');
    }
  });

  test("this machine's clock is wrong, and by how much", async () => {
    const clock = new FakeClock();
    const date = new Date(clock.now() - 23 * 60_000).toUTCString();
    const { place } = await stubbed(() => refusal(403, 'RequestTimeTooSkewed', { headers: { date } }), {
      clock,
    });
    const { code, reason } = await failureOf(place.prepare({ signal }));
    expect(code).toBe('precondition_failed');
    expect(reason).toContain("this machine's clock is 23 minutes ahead of the server's");
  });

  test('the server says later, and when', async () => {
    for (const [status, name] of [
      [503, 'SlowDown'],
      [429, 'TooManyRequests'],
    ] as const) {
      const { place } = await stubbed(() => refusal(status, name, { headers: { 'retry-after': '17' } }));
      const writing = failureOf(place.write('k', bodyOf(Buffer.from('x')), { signal }));
      expect(await writing).toMatchObject({ code: 'unavailable', retryAfterMs: 17_000 });
      expect(await failureOf(place.stat('k', { signal }))).toMatchObject({ retryAfterMs: 17_000 });
    }
  });

  test('a session token has expired', async () => {
    const { place } = await stubbed(() => refusal(400, 'ExpiredToken'));
    expect(await failureOf(place.prepare({ signal }))).toMatchObject({ code: 'unauthenticated' });
  });

  test('no error shows a secret', async () => {
    const { place } = await stubbed(() => refusal(403, 'SignatureDoesNotMatch'), {
      secretAccessKey: 'geheim',
    });
    const { message, hint } = await failureOf(place.prepare({ signal }));
    expect(`${message} ${hint} ${place.description}`).not.toContain('geheim');
  });

  test('a page of a list that ends in its middle is no end of the list', async () => {
    const page =
      '<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents>';
    for (const text of [`${page}</ListBucketResult>`, page, '']) {
      const { place } = await stubbed(() => xml(text));
      await expect(listedKeys(place), text).rejects.toMatchObject({ code: 'unavailable' });
    }
  });
});

describe('certificates', () => {
  test('one that is not trusted, has expired or is for another name is told as such; caFile makes it trusted', async () => {
    await using certificates = await testCertificates();
    const outcomes: string[] = [];
    for (const name of ['untrusted', 'expired', 'wrongName', 'good'] as const) {
      const { certFile, keyFile } = certificates[name];
      const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
      await using stub = await startStub(() => ({ status: 404 }), { cert, key });
      const parameters = `caFile=${encodeURIComponent(certificates.caFile)}`;
      await using place = openPlace({ endpoint: stub.endpoint, parameters });
      const writing = place.write('k', bodyOf(Buffer.from('x')), { signal, ifAbsent: true });
      const { code, reason } = await failureOf(writing);
      outcomes.push(`${name}: ${code}: ${reason.replace(/.*(?:shows|certificate of \S+) /, '')}`);
    }
    expect(outcomes).toEqual([
      expect.stringContaining('untrusted: unauthenticated: a certificate that is not trusted'),
      'expired: unauthenticated: has expired',
      'wrongName: unauthenticated: is for another name',
      expect.stringContaining('good: precondition_failed'),
    ]);
  });
});

describe('credentials that a program gives', () => {
  for (const verb of ['read', 'stat'] as const)
    test(`are asked for anew when the server calls them expired, by ${verb}`, async () => {
      const script = `
      const { existsSync, writeFileSync } = require('node:fs');
      const second = existsSync(process.argv[1]);
      writeFileSync(process.argv[1], '');
      console.log(JSON.stringify({ AccessKeyId: second ? 'SECOND' : 'FIRST', SecretAccessKey: 's', SessionToken: 't' }));`;
      const file = `${process.env.TMPDIR ?? '/tmp'}/holdfast-s3-credentials-${process.pid}-${verb}`;
      onTestFinished(async () => (await import('node:fs/promises')).rm(file, { force: true }));
      const credentials = { command: [process.execPath, '-e', script, file], timeoutMs: 30_000 };
      const tiny = new TinyS3();
      // The answer to a HEAD has no body that names the error.
      const refused = ({ method }: Asked): Answered =>
        method === 'HEAD' ? { status: 400 } : refusal(400, 'ExpiredToken');
      const { place, stub } = await stubbed(
        (asked) => (asked.headers.authorization?.includes('FIRST') ? refused(asked) : tiny.answer(asked)),
        { credentials },
      );
      expect(await failureOf(collectAll(place, 'k'))).toMatchObject({ code: 'not_found' });
      expect(
        stub.asked.map(({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? '')?.[1]),
      ).toEqual(['FIRST', 'SECOND']);
      expect(stub.asked[1]?.headers['x-amz-security-token']).toBe('t');
    });
});

describe('a server that stores other bytes than were sent', () => {
  const bytes = seededBytes(6 * mebibyte, 1);
  const large = seededBytes(17 * mebibyte, 2);

  for (const [how, keep] of [
    ['fewer bytes', (sent: Buffer) => sent.subarray(0, -1)],
    ['other bytes', (sent: Buffer) => Buffer.concat([Buffer.of((sent[0] ?? 0) ^ 1), sent.subarray(1)])],
  ] as const) {
    test(`${how} of a small object are noticed, and it is taken away`, async () => {
      const tiny = new TinyS3(keep);
      const { place } = await stubbed((asked) => tiny.answer(asked));
      const error = await failureOf(place.write('k', bodyOf(bytes), { signal }));
      expect(error).toMatchObject({ code: 'unavailable' });
      expect(error.reason).toContain('stored other bytes than were sent');
      expect([...tiny.objects.keys()]).toEqual([]);
    });

    test(`${how} of a part are noticed, and there is no object`, async () => {
      const tiny = new TinyS3((sent) => (sent.length < 5 * mebibyte ? keep(sent) : sent));
      const { place } = await stubbed((asked) => tiny.answer(asked));
      const writing = place.write('k', bodyOf(large), { signal, sizeBytes: large.length });
      expect((await failureOf(writing)).reason).toContain('stored other bytes than were sent');
      expect([...tiny.objects.keys()]).toEqual([]);
    });
  }

  test('without checksums the size is compared', async () => {
    const tiny = new TinyS3((sent) => sent.subarray(0, -1));
    const { place } = await stubbed((asked) => tiny.answer(asked), { parameters: 'checksum=none' });
    for (const content of [bytes, large]) {
      const error = await failureOf(place.write('k', bodyOf(content), { signal }));
      expect(error.reason).toContain('stored other bytes than were sent');
      expect([...tiny.objects.keys()]).toEqual([]);
    }
    expect(place.features.storedChecksum).toBe(false);
  });
});

describe('a server without conditional writes', () => {
  for (const answer of [refusal(501, 'NotImplemented'), refusal(400, 'InvalidArgument')]) {
    test(`(HTTP ${answer.status}) is asked first what is there`, async () => {
      const tiny = new TinyS3();
      const { place } = await stubbed((asked) =>
        asked.headers['if-none-match'] === undefined ? tiny.answer(asked) : answer,
      );
      await place.write('k', bodyOf(Buffer.from('first')), { signal, ifAbsent: true });
      const second = place.write('k', bodyOf(Buffer.from('second')), { signal, ifAbsent: true });
      await expect(second).rejects.toMatchObject({ code: 'conflict' });
      const racing = Array.from({ length: 5 }, (_, i) =>
        place.write('race', bodyOf(Buffer.from(`${i}`)), { signal, ifAbsent: true }),
      );
      const outcomes = await Promise.allSettled(racing);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect((await collect(place.read('k', { signal }))).toString()).toBe('first');
      expect(place.features.conditionalWrite).toBe(false);
    });
  }

  test('is found out by prepare, also where it ignores the condition, and the marker stays as it was', async () => {
    const tiny = new TinyS3();
    const { place, stub } = await stubbed((asked) => tiny.answer(asked));
    await place.prepare({ signal });
    expect(place.features.conditionalWrite).toBe(false);
    const marker = tiny.objects.get('/a-bucket/.holdfast-repository')?.toString();
    const asked = stub.asked.length;
    await place.prepare({ signal });
    expect(tiny.objects.get('/a-bucket/.holdfast-repository')?.toString()).toBe(marker);
    expect(stub.asked.length - asked).toBeLessThanOrEqual(3);
  });
});

test('an answer that was lost does not make a stored object a failure', async () => {
  const tiny = new TinyS3();
  const content = seededBytes(100_000, 3);
  let lost = 0;
  const stub = await startStub((asked) => {
    const answer = tiny.answer(asked);
    if (asked.method !== 'PUT') return answer;
    lost += 1;
    return undefined;
  });
  onTestFinished(() => stub[Symbol.asyncDispose]());
  await using place = openPlace({ endpoint: stub.endpoint, idleMsMax: 300 });
  const info = await place.write('k', bodyOf(content), { signal, sha256: sha256Of(content) });
  expect([info.bytes, lost]).toEqual([content.length, 1]);
});

function collectAll(place: S3Destination, key: string): Promise<Buffer> {
  return collect(place.read(key, { signal }));
}

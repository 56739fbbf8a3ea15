import { bodyOf, collect, seededBytes, sha256Of } from '@holdfast/testing';
import { expect, onTestFinished, test } from 'vitest';
import { mebibyte, never, openPlace } from './s3.fixture.ts';
import type { S3Destination } from './s3-destination.ts';
import { type Asked, refusal, startStub, TinyS3 } from './s3-stub.fixture.ts';

const signal = never;
const first = seededBytes(1024, 1);
const second = seededBytes(9 * mebibyte, 2);

interface Counted {
  readonly place: S3Destination;
  /** The methods of what was asked since this was called last, in their order. */
  readonly taken: () => readonly string[];
}

async function counted(o: { readonly honoursCondition: boolean }): Promise<Counted> {
  const tiny = new TinyS3();
  const isRefused = ({ method, path, headers }: Asked): boolean =>
    o.honoursCondition &&
    method === 'PUT' &&
    headers['if-none-match'] !== undefined &&
    tiny.objects.has(path);
  const stub = await startStub((asked) =>
    isRefused(asked) ? refusal(412, 'PreconditionFailed') : tiny.answer(asked),
  );
  onTestFinished(() => stub[Symbol.asyncDispose]());
  const place = openPlace({ endpoint: stub.endpoint });
  onTestFinished(() => place[Symbol.asyncDispose]());
  const taken = (): readonly string[] => stub.asked.splice(0).map(({ method }) => method);
  return { place, taken };
}

function write(place: S3Destination, bytes: Uint8Array): Promise<unknown> {
  const said = { sizeBytes: bytes.length, sha256: sha256Of(bytes) };
  return place.write('k', bodyOf(bytes), { signal, ...said, ifAbsent: true, resumable: true });
}

for (const bytes of [first, second]) {
  test(`${bytes.length} bytes take one request where the server is known to decide whether the key is free`, async () => {
    const { place, taken } = await counted({ honoursCondition: true });
    await place.prepare({ signal });
    expect(place.features.conditionalWrite).toBe(true);
    taken();
    await write(place, bytes);
    expect(taken()).toEqual(['PUT']);
    await expect(write(place, seededBytes(bytes.length, 3))).rejects.toMatchObject({ code: 'conflict' });
    expect(taken()).toEqual(['PUT']);
    expect(sha256Of(await collect(place.read('k', { signal })))).toBe(sha256Of(bytes));
  });
}

test('where the server does not decide it is looked first, and nothing is sent to a key that is taken', async () => {
  const { place, taken } = await counted({ honoursCondition: false });
  await place.prepare({ signal });
  expect(place.features.conditionalWrite).toBe(false);
  taken();
  await write(place, first);
  expect(taken().filter((method) => method !== 'HEAD')).toEqual(['PUT']);
  await expect(write(place, second)).rejects.toMatchObject({ code: 'conflict' });
  expect(taken()).toEqual(['HEAD']);
});

test('an object in parts is not sent to a key that is taken, whoever decides', async () => {
  const { place, taken } = await counted({ honoursCondition: true });
  await place.prepare({ signal });
  await write(place, first);
  taken();
  await expect(write(place, seededBytes(17 * mebibyte, 4))).rejects.toMatchObject({ code: 'conflict' });
  expect(taken()).toEqual(['HEAD']);
});

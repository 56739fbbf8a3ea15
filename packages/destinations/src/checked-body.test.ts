import { HoldfastError } from '@holdfast/core';
import { bodyOf, gatedBody, seededBytes, sha256Of } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { CheckedBody, type CheckedBodyOptions } from './checked-body.ts';

const { signal } = new AbortController();
const bytes = seededBytes(200_000, 1);
const sha256 = sha256Of(bytes);

function checked(
  body: AsyncIterable<Uint8Array>,
  o: Partial<CheckedBodyOptions> = {},
): { body: CheckedBody; read(): Promise<Buffer> } {
  const made = new CheckedBody(body, { key: 'a/b', signal, ...o });
  return {
    body: made,
    read: async () => {
      const parts: Uint8Array[] = [];
      for await (const block of made) parts.push(Uint8Array.from(block));
      return Buffer.concat(parts);
    },
  };
}

test('a body that is what was said comes through as it is, and is counted', async () => {
  for (const o of [{}, { sizeBytes: bytes.length }, { sha256 }, { sizeBytes: bytes.length, sha256 }]) {
    const { body, read } = checked(bodyOf(bytes, 999), o);
    expect(body.bytes).toBe(0);
    expect(sha256Of(await read())).toBe(sha256);
    expect(body.bytes).toBe(bytes.length);
  }
});

test('a body that is too short is told at its end', async () => {
  await expect(checked(bodyOf(bytes), { sizeBytes: 200_001 }).read()).rejects.toMatchObject({
    code: 'corrupt',
    reason: 'a/b: 200001 bytes were announced, 200000 came',
    hint: expect.stringContaining('disk'),
  });
});

test('a body that is too long is told as soon as it is, and asked for no more', async () => {
  const body = gatedBody(bytes, bytes);
  await expect(checked(body, { sizeBytes: 199_999 }).read()).rejects.toMatchObject({
    code: 'corrupt',
    reason: 'a/b: 199999 bytes were announced, more came',
  });
  await body.returned;
});

test('other bytes than were said are told', async () => {
  const other = checked(bodyOf(seededBytes(bytes.length, 2)), { sizeBytes: bytes.length, sha256 });
  await expect(other.read()).rejects.toMatchObject({
    code: 'corrupt',
    reason: expect.stringMatching(/^a\/b: /),
  });
});

test('empty blocks are left out, and an empty body is one of no bytes', async () => {
  const body = (async function* () {
    yield new Uint8Array();
    yield bytes;
    yield new Uint8Array();
  })();
  let blocks = 0;
  for await (const _ of new CheckedBody(body, { key: 'a', signal })) blocks += 1;
  expect(blocks).toBe(1);
  const none = checked(bodyOf(new Uint8Array()), { sizeBytes: 0, sha256: sha256Of(new Uint8Array()) });
  expect(await none.read()).toHaveLength(0);
});

test('a body that hangs ends with the signal, for its reason, and is given up', async () => {
  const controller = new AbortController();
  const body = gatedBody(bytes, bytes);
  const outcome = expect(checked(body, { signal: controller.signal }).read());
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const rejected = outcome.rejects.toBe(reason);
  await body.reached;
  controller.abort(reason);
  await rejected;
  await body.returned;
});

test('with a signal that is aborted already nothing is asked of the body', async () => {
  let asked = 0;
  const body = {
    [Symbol.asyncIterator]: () => {
      asked += 1;
      return bodyOf(bytes)[Symbol.asyncIterator]();
    },
  };
  await expect(checked(body, { signal: AbortSignal.abort() }).read()).rejects.toMatchObject({
    code: 'cancelled',
  });
  expect(asked).toBe(0);
});

test('the error of a body stays itself', async () => {
  const failure = new HoldfastError('source_failed', 'the dump ended early');
  const body = (async function* () {
    yield bytes;
    throw failure;
  })();
  await expect(checked(body).read()).rejects.toBe(failure);
});

test('a reader that gives up ends the body', async () => {
  const body = gatedBody(bytes, bytes);
  for await (const _ of new CheckedBody(body, { key: 'a', signal })) break;
  await body.returned;
});

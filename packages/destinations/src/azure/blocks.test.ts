import { createHash } from 'node:crypto';
import { bodyOf, seededBytes } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { cutBlocks } from './block-cutter.ts';
import { blockId, isOfLine, lineOf } from './block-id.ts';
import { blockPlan, blocksMax } from './block-plan.ts';

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;
const tebibyte = 1024 * gibibyte;

describe('the blocks of an object', () => {
  test('have the size that is wanted, as long as 50,000 of them suffice', () => {
    for (const size of [0, 1, 100 * mebibyte, 50_000 * 8 * mebibyte])
      expect(blockPlan(size, 8 * mebibyte).bytesOf(0), String(size)).toBe(8 * mebibyte);
  });

  test('grow with an object of known size up to the limit of the service, and not past it', () => {
    for (const size of [
      50_000 * 8 * mebibyte + 1,
      4 * tebibyte,
      5e12,
      100 * tebibyte,
      50_000 * 4000 * mebibyte,
    ]) {
      const plan = blockPlan(size, 8 * mebibyte);
      const bytes = plan.bytesOf(0);
      expect(bytes % mebibyte).toBe(0);
      expect(bytes).toBeLessThanOrEqual(4000 * mebibyte);
      expect(Math.ceil(size / bytes)).toBeLessThanOrEqual(blocksMax);
      // No more than has to be.
      expect(Math.ceil(size / (bytes - mebibyte))).toBeGreaterThan(blocksMax);
    }
    expect(() => blockPlan(50_000 * 4000 * mebibyte + 1, mebibyte)).toThrow(/at most 50000 blocks/);
  });

  test('grow as they go where the size is not known: more than 4 TB even from the smallest', () => {
    for (const blockBytes of [mebibyte, 8 * mebibyte, 256 * mebibyte]) {
      const plan = blockPlan(undefined, blockBytes);
      let total = 0;
      for (let index = 0; index < blocksMax; index += 1) total += plan.bytesOf(index);
      expect(total).toBeGreaterThan(4.3e12);
      expect(plan.bytesOf(0)).toBe(blockBytes);
      expect(plan.bytesOf(blocksMax - 1)).toBeLessThanOrEqual(4000 * mebibyte);
      expect(() => plan.bytesOf(blocksMax)).toThrow(/at most 50000 blocks/);
    }
  });

  test('are four at once, or as many as take 64 MiB, or one', () => {
    const parallel = (blockMiB: number) => blockPlan(1, blockMiB * mebibyte).parallelAt(0);
    expect([1, 8, 16, 17, 32, 33, 64, 256].map(parallel)).toEqual([4, 4, 4, 3, 2, 1, 1, 1]);
  });
});

describe('the name of a block', () => {
  const line = lineOf({ sizeBytes: 10, sha256: 'a', blockBytes: 5 });
  const md5 = (text: string) => createHash('md5').update(text).digest();

  test('is that of the same block of the same content, and of no other', () => {
    expect(lineOf({ sizeBytes: 10, sha256: 'a', blockBytes: 5 })).toEqual(line);
    expect(blockId(line, 1, md5('x'))).toBe(blockId(line, 1, md5('x')));
    const names = new Set([
      blockId(line, 1, md5('x')),
      blockId(line, 2, md5('x')),
      blockId(line, 1, md5('y')),
      ...[
        { sizeBytes: 11, sha256: 'a', blockBytes: 5 },
        { sizeBytes: 10, sha256: 'b', blockBytes: 5 },
        { sizeBytes: 10, sha256: 'a', blockBytes: 6 },
      ].map((content) => blockId(lineOf(content), 1, md5('x'))),
      // Writes that are not to be gone on with have a line each.
      blockId(lineOf(), 1, md5('x')),
      blockId(lineOf(), 1, md5('x')),
    ]);
    expect(names.size).toBe(8);
  });

  test('is always equally long, and no longer than the service takes', () => {
    const lengths = [0, 1, 255, 256, blocksMax - 1].map(
      (index) => blockId(line, index, md5(String(index))).length,
    );
    expect(new Set(lengths)).toEqual(new Set([52]));
    expect(Buffer.from(blockId(line, 0, md5('')), 'base64').length).toBeLessThanOrEqual(64);
  });

  test('tells the blocks of one write from others', () => {
    expect(isOfLine(blockId(line, 7, md5('x')), line)).toBe(true);
    expect(isOfLine(blockId(lineOf(), 7, md5('x')), line)).toBe(false);
    expect(isOfLine(Buffer.from('0001').toString('base64'), line)).toBe(false);
  });
});

describe('a body is cut', () => {
  const plan = { bytesOf: (index: number) => (index < 2 ? 1000 : 2000), parallelAt: () => 1 };

  for (const size of [0, 1, 999, 1000, 1001, 2000, 2001, 4000, 9_999, 200_000]) {
    for (const pieceBytes of [1, 333, 1000, 70_000]) {
      if (size / pieceBytes > 10_000) continue;
      test(`of ${size} bytes, in pieces of ${pieceBytes}, into the plan's blocks`, async () => {
        const bytes = seededBytes(size, 1);
        for (const said of [size, undefined]) {
          const got: Buffer[] = [];
          const lasts: boolean[] = [];
          for await (const block of cutBlocks(bodyOf(bytes, pieceBytes), plan, said)) {
            expect(block.index).toBe(got.length);
            got.push(Buffer.from(block.bytes));
            lasts.push(block.isLast);
            block.release();
          }
          expect(Buffer.concat(got).equals(bytes)).toBe(true);
          expect(lasts.indexOf(true)).toBe(lasts.length - 1);
          for (const [index, block] of got.slice(0, -1).entries())
            expect(block.length).toBe(plan.bytesOf(index));
          expect(size === 0 || (got.at(-1)?.length ?? 0) > 0).toBe(true);
        }
      });
    }
  }

  test('into copies: what the body yields may be used anew', async () => {
    const piece = Buffer.alloc(100);
    const body = (async function* () {
      for (let i = 0; i < 40; i += 1) yield piece.fill(i);
    })();
    const got: Buffer[] = [];
    for await (const block of cutBlocks(body, plan)) got.push(block.bytes);
    const all = Buffer.concat(got);
    for (let i = 0; i < 40; i += 1) expect(all[i * 100]).toBe(i);
  });
});

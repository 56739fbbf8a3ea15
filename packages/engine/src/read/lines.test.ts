import { expect, test } from 'vitest';
import { linesOf } from './lines.ts';

async function* blocksOf(bytes: Uint8Array, ...cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...cuts, bytes.length];
  for (const [index, end] of ends.entries()) {
    const block = Uint8Array.from(bytes.subarray(ends[index - 1] ?? 0, end));
    yield block;
    // What a block held is void once the next one is asked for.
    block.fill(63);
  }
}

async function all(blocks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(blocks)) lines.push(line);
  return lines;
}

const lines = ['["a"]', '["é😀"]', '', '["\uFEFFb",1]'];
const bytes = Buffer.from(`${lines.join('\n')}\n`);

test('lines come out whole wherever the blocks are cut', async () => {
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      expect(await all(blocksOf(bytes, first, second)), `${first}, ${second}`).toEqual(lines);
    }
  }
});

test('a block per byte gives the same lines', async () => {
  const cuts = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
  expect(await all(blocksOf(bytes, ...cuts))).toEqual(lines);
});

test('a last line without its newline is given all the same', async () => {
  expect(await all(blocksOf(Buffer.from('[1]\n[2')))).toEqual(['[1]', '[2']);
});

test('nothing has no lines', async () => {
  expect(await all(blocksOf(Buffer.alloc(0)))).toEqual([]);
});

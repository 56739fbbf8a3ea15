import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Overlay, type OverlayRelation, type OverlayToken } from './overlay.ts';
import { OverlayReader } from './overlay-reader.ts';

let folder: TemporaryFolder;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  file = folder.join('overlay.sqlite');
});
afterEach(() => folder[Symbol.asyncDispose]());

const columns = ['id', 'name', 'big'];
const base = ['["1","one","ONE"]', '["2","two","TWO"]', '["3","th,\\"ree]","THREE"]', '["é","vier","{}"]'];

function overlayOf(
  write: (relation: OverlayRelation) => void,
  o: { readonly columns?: readonly string[]; readonly key?: readonly string[] } = {},
): OverlayToken {
  using overlay = new Overlay(file);
  write(overlay.relation('/t', o.columns ?? columns, o.key ?? ['id']));
  const token = overlay.finish().get('/t');
  if (!token) throw new Error('no token');
  return token;
}

async function collect(blocks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const parts: Buffer[] = [];
  for await (const block of blocks) parts.push(Buffer.from(block));
  const text = Buffer.concat(parts).toString('utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text.split('\n').filter((line) => line !== '');
}

async function* cut(bytes: Buffer, ...at: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...at, bytes.length];
  for (const [index, end] of ends.entries()) yield Uint8Array.from(bytes.subarray(ends[index - 1] ?? 0, end));
}

/** The rows of the relation in the end: base rows with the overlay over them, and what only the changes brought. */
async function rowsOf(
  token: OverlayToken,
  rows: readonly string[] = base,
  keysInMemoryMax?: number,
): Promise<string[]> {
  using reader = new OverlayReader(file, token, keysInMemoryMax);
  const bytes = Buffer.from(rows.map((row) => `${row}\n`).join(''));
  const over = token.truncated ? [] : await collect(reader.over(cut(bytes), token.columns));
  return [...over, ...(await collect(reader.live()))].sort();
}

describe('changes laid over base rows', () => {
  test('untouched rows pass, changed ones are replaced, deleted ones are gone, new ones are there', async () => {
    const token = overlayOf((t) => {
      t.update(null, ['"1"', '"uno"', '"ONE"']);
      t.delete(['"2"']);
      t.insert(['"5"', '"five"', 'null']);
    });
    expect(await rowsOf(token)).toEqual(['["1","uno","ONE"]', base[2], base[3], '["5","five",null]'].sort());
    expect(token).toMatchObject({ live: 2, touched: 3, merges: 0 });
  });

  test('a value that an update kept is taken from the base row, also under a new key', async () => {
    const token = overlayOf((t) => {
      t.update(null, ['"1"', '"uno"', '{}']);
      t.update(['"3"'], ['"30"', '"thirty"', '{}']);
      t.update(null, ['"30"', '"THIRTY"', '{}']);
    });
    expect(token.merges).toBe(2);
    expect(await rowsOf(token)).toEqual(
      ['["1","uno","ONE"]', base[1], base[3], '["30","THIRTY","THREE"]'].sort(),
    );
  });

  test('a kept value comes from the row of the same changes when that has it', async () => {
    const token = overlayOf((t) => {
      t.update(null, ['"1"', '"uno"', '"new big"']);
      t.update(['"1"'], ['"9"', '"nine"', '{}']);
    });
    expect(await rowsOf(token)).toContain('["9","nine","new big"]');
    expect(token.merges).toBe(0);
  });

  test('two rows that exchange their keys keep what belongs to each', async () => {
    const token = overlayOf((t) => {
      t.update(['"1"'], ['"tmp"', '"one"', '{}']);
      t.update(['"2"'], ['"1"', '"two"', '{}']);
      t.update(['"tmp"'], ['"2"', '"one"', '{}']);
    });
    expect(await rowsOf(token)).toEqual(['["1","two","TWO"]', '["2","one","ONE"]', base[2], base[3]].sort());
  });

  test('a row deleted and inserted again has only its new values', async () => {
    const token = overlayOf((t) => {
      t.update(null, ['"1"', '"uno"', '{}']);
      t.delete(['"1"']);
      t.insert(['"1"', '"again"', 'null']);
    });
    expect(await rowsOf(token)).toContain('["1","again",null]');
    expect(await rowsOf(token)).toHaveLength(4);
  });

  test('a base row whose row moved on keeps its place free for another', async () => {
    const token = overlayOf((t) => {
      t.update(['"1"'], ['"8"', '"one"', '{}']);
      t.insert(['"1"', '"other"', '"OTHER"']);
      t.delete(['"1"']);
    });
    expect(await rowsOf(token)).toEqual(['["8","one","ONE"]', base[1], base[2], base[3]].sort());
  });

  test('after a truncate only what came later is there', async () => {
    const token = overlayOf((t) => {
      t.insert(['"5"', '"five"', 'null']);
      t.truncate();
      t.insert(['"6"', '"six"', 'null']);
    });
    expect(token.truncated).toBe(true);
    expect(await rowsOf(token)).toEqual(['["6","six",null]']);
  });

  test('a key is found however it is escaped', async () => {
    const token = overlayOf((t) => t.delete(['"\\u00e9"']));
    expect(await rowsOf(token)).toEqual(base.slice(0, 3));
  });

  test('keys of several columns, in another order than the columns', async () => {
    const rows = ['["a","x","1"]', '["a","y","2"]', '["b","x","3"]'];
    const token = overlayOf((t) => t.delete(['"x"', '"a"']), { key: ['name', 'id'] });
    expect(await rowsOf(token, rows)).toEqual(rows.slice(1));
  });

  test('values of all kinds stand before the key without being mistaken for it', async () => {
    const rows = ['[{"b":"],["},[1,["2"]],null,-1.5e3,"k\\"\\\\"]', '["",[],null,true,"k"]'];
    const names = ['a', 'b', 'c', 'd', 'id'];
    const token = overlayOf((t) => t.delete(['"k\\"\\\\"']), { columns: names });
    expect(await rowsOf(token, rows)).toEqual([rows[1]]);
  });
});

test('more touched keys than memory should hold are looked up in the file, with the same rows', async () => {
  const token = overlayOf((t) => {
    t.update(null, ['"1"', '"uno"', '{}']);
    t.delete(['"2"']);
    t.insert(['"5"', '"five"', 'null']);
  });
  expect(await rowsOf(token, base, 2)).toEqual(await rowsOf(token));
  expect(await rowsOf(token, base, 0)).toEqual(await rowsOf(token));
});

test('base rows may come cut at any byte', async () => {
  const token = overlayOf((t) => {
    t.update(null, ['"1"', '"uno"', '{}']);
    t.delete(['"é"']);
  });
  const bytes = Buffer.from(base.map((row) => `${row}\n`).join(''));
  using reader = new OverlayReader(file, token);
  const expected = ['["1","uno","ONE"]', base[1], base[2]];
  for (let first = 0; first <= bytes.length; first++) {
    const blocks = cut(bytes, first, Math.min(bytes.length, first + 5));
    expect(await collect(reader.over(blocks, columns)), `${first}`).toEqual(expected);
  }
});

test('a chunk that ends in the middle of a row is refused', async () => {
  const token = overlayOf((t) => t.delete(['"2"']));
  using reader = new OverlayReader(file, token);
  await expect(collect(reader.over(cut(Buffer.from('["1"\n["2"')), columns))).rejects.toMatchObject({
    code: 'corrupt',
  });
});

test('base rows with other columns than the changes are refused', async () => {
  const token = overlayOf((t) => t.delete(['"2"']));
  using reader = new OverlayReader(file, token);
  const other = reader.over(cut(Buffer.from('')), ['id', 'big', 'name']);
  await expect(collect(other)).rejects.toMatchObject({ code: 'corrupt' });
});

test('a relation declared again with other columns, and nothing that voids it, is refused', () => {
  using overlay = new Overlay(file);
  overlay.relation('/t', columns, ['id']);
  expect(() => overlay.relation('/t', [...columns, 'more'], ['id'])).toThrow(/other columns/);
  expect(() => overlay.relation('/u', columns, ['nowhere'])).toThrow(/key columns/);
  expect(() => overlay.relation('/v', columns, [])).toThrow(/key columns/);
});

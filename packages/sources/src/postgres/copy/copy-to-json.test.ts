import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, copyOutResponse, copyStream, message } from './backend-stream.reference.ts';
import { copyRowReference, copyToJsonReference } from './copy-to-json.reference.ts';
import { type BackendMessage, CopyToJson } from './copy-to-json.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Scans the stream in pieces that end at the cuts. The slack of a tiny input shows writes out of bounds. */
function scanAll(stream: Uint8Array, cuts: readonly number[] = [], codec = new CopyToJson()) {
  const blocks: Uint8Array[] = [];
  const messages: BackendMessage[] = [];
  const take = (): void => {
    blocks.push(codec.take().slice());
    codec.release();
  };
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    while (from < to) {
      const piece = stream.subarray(from, Math.min(to, from + codec.input.length));
      codec.input.set(piece);
      messages.push(...codec.scan(piece.length));
      if (codec.due) take();
      from += piece.length;
    }
  }
  take();
  const tags = messages.filter((m) => m.type !== 'H').map((m) => `${m.type}${decode(m.body)}`);
  return { json: decode(concat(blocks)), rows: codec.rows, tags };
}

const oddities = [
  '\\\\',
  '\\b\\f\\n\\r\\t\\v',
  '\\N',
  '\\\\N',
  '\\Nx',
  'x\\N',
  '\\',
  '"',
  '""',
  '\u0001\u001f\u007f',
  '🦭é',
  '',
  'null',
  '\\x',
  '\\"',
  "it's",
  '{"a": [1, "b\\\\n"]}',
  '\\.',
  ' ',
  '!',
  '\\\\\\\\',
  'x'.repeat(70),
  '\\\\x00ff',
];
/** Samples end in no dangling backslash: the server doubles it. */
const fields = oddities.filter((field) => field !== '\\');
const samples: [name: string, rows: string[], columns: number][] = [
  ['plain rows', ['1\ttext\t\\N\n', '2\t\t2024-01-01 00:00:00\n'], 3],
  ['nulls only', ['\\N\t\\N\n', '\\N\t\n', '\t\\N\n'], 2],
  ['one column', ['\n', '\\N\n', 'a\n', '\\\\\n'], 1],
  ['no columns', ['\n', '\n'], 0],
  ['no rows', [], 4],
  [
    'oddities side by side',
    [`${fields.join('\t')}\n`, `${[...fields].reverse().join('\t')}\n`],
    fields.length,
  ],
  ['oddities alone', fields.map((field) => `${field}\n`), 1],
  ['oddities at every place of a window', fields.map((f) => `${'y'.repeat(61)}${f}${f}\t${f}\n`), 2],
];

describe('CopyToJson', () => {
  it.each(samples)('%s: the same as the reference, cut at every byte', (_name, rows, columns) => {
    const stream = copyStream(rows, columns);
    const expected = {
      json: copyToJsonReference(rows.join(''), columns),
      rows: rows.length,
      tags: ['c', `CCOPY ${rows.length}\0`, 'ZI'],
    };
    const codec = new CopyToJson({ inputBytes: 8192, blockBytes: 1 << 20 });
    expect(scanAll(stream, [], codec)).toEqual(expected);
    expect(scanAll(stream, [...stream.keys()], codec)).toEqual(expected);
    for (let cut = 0; cut < stream.length; cut++) expect(scanAll(stream, [cut], codec)).toEqual(expected);
    for (const inputBytes of [1, 90, 150]) {
      expect(scanAll(stream, [], new CopyToJson({ inputBytes, blockBytes: 1 }))).toEqual(expected);
    }
  });

  it('takes row data whose messages are cut anywhere, not at rows', () => {
    const text = 'one\t"two"\n\\N\tb\\\\\n'.repeat(30);
    for (const size of [1, 2, 3, 7, 64, 100, 1000]) {
      const parts = [copyOutResponse(2)];
      for (let at = 0; at < text.length; at += size)
        parts.push(message('d', encode(text.slice(at, at + size))));
      const stream = concat([...parts, message('d'), message('c')]);
      const json = copyToJsonReference(text, 2);
      expect(scanAll(stream)).toEqual({ json, rows: 60, tags: ['c'] });
      expect(scanAll(stream, [...stream.keys()])).toEqual({ json, rows: 60, tags: ['c'] });
    }
  });

  it('agrees with the reference on any values, cut anywhere', () => {
    const codec = new CopyToJson({ inputBytes: 300, blockBytes: 200 });
    const field = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }).filter((text) => !text.includes('\0')),
      fc.constantFrom(null, '', 'N', '\\', '\\N', '\t', '\n', '"', '\u0001'),
      fc
        .array(fc.constantFrom('\\', '\t', '"', 'a', 'N', '\n', '\x0b'), { maxLength: 80 })
        .map((c) => c.join('')),
    );
    const table = fc
      .integer({ min: 1, max: 8 })
      .chain((n) => fc.array(fc.array(field, { minLength: n, maxLength: n }), { maxLength: 8 }));
    fc.assert(
      fc.property(table, fc.array(fc.nat({ max: 3000 }), { maxLength: 5 }), (rows, at) => {
        const stream = copyStream(rows.map(copyRowReference), rows[0]?.length ?? 1);
        const cuts = at.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b);
        const { json, rows: count } = scanAll(stream, cuts, codec);
        expect(count).toBe(rows.length);
        expect(
          json
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line)),
        ).toEqual(rows);
        expect(json).toBe(copyToJsonReference(rows.map(copyRowReference).join(''), rows[0]?.length ?? 1));
      }),
      { numRuns: 500 },
    );
  });

  it('turns a value of 10 MB that is all control characters', () => {
    const rows = [`1\t${'\u0001"\\\\'.repeat(2_500_000)}\t\\N\n`];
    const result = scanAll(copyStream(rows, 3));
    expect(result.json).toHaveLength(6 + 2_500_000 * 10 + 8);
    expect(result.json === copyToJsonReference(rows[0] ?? '', 3)).toBe(true);
  });

  it('turns rows of 1600 columns', () => {
    const row = `${Array.from({ length: 1600 }, (_, i) => (i % 3 ? String(i) : '\\N')).join('\t')}\n`;
    const rows = [row, row, row];
    expect(scanAll(copyStream(rows, 1600)).json).toBe(copyToJsonReference(rows.join(''), 1600));
  });

  it('hands out an error in mid-stream, and takes the next COPY after it', () => {
    const error = message('E', encode('SERROR\0C57014\0Mcanceling statement due to user request\0\0'));
    const notice = message('N', encode('SNOTICE\0Mhm\0\0'));
    const stream = concat([
      copyOutResponse(1),
      message('d', encode('a\n')),
      notice,
      error,
      message('Z', encode('E')),
    ]);
    for (let cut = 0; cut < stream.length; cut++) {
      const codec = new CopyToJson({ inputBytes: 512, blockBytes: 4096 });
      const { json, tags } = scanAll(stream, [cut], codec);
      expect(json).toBe('["a"]\n');
      expect(tags.map((tag) => tag[0])).toEqual(['N', 'E', 'Z']);
      expect(codec.copying).toBe(false);
      expect(scanAll(copyStream(['b\n'], 1), [], codec)).toMatchObject({ json: '["b"]\n', rows: 1 });
    }
  });

  it('hands out long messages whole', () => {
    const body = encode(`Sx\0M${'m'.repeat(100_000)}\0\0`);
    const { tags } = scanAll(message('E', body), [], new CopyToJson({ inputBytes: 1000 }));
    expect(tags).toEqual([`E${decode(body)}`]);
  });

  it.each([
    ['a row with a column too few', [copyOutResponse(2), message('d', encode('a\n'))], /number of columns/],
    [
      'a long row with one too many',
      [copyOutResponse(1), message('d', encode(`${'a'.repeat(90)}\tb\n`))],
      /number of/,
    ],
    ['columns where none are', [copyOutResponse(0), message('d', encode('a\n'))], /number of columns/],
    ['a binary COPY', [copyOutResponse(1, 1)], /binary/],
    ['data before the COPY', [message('d', encode('a\n'))], /outside of a COPY/],
    [
      'data behind its end',
      [copyOutResponse(1), message('c'), message('d', encode('a\n'))],
      /outside of a COPY/,
    ],
    [
      'an end in the middle of a row',
      [copyOutResponse(1), message('d', encode('a')), message('c')],
      /middle of a row/,
    ],
    ['a length below 4', [Uint8Array.of(90, 0, 0, 0, 3)], /length/],
    ['a negative length', [Uint8Array.of(100, 255, 255, 255, 255)], /length/],
    ['a message of 1 GB', [Uint8Array.of(69, 64, 0, 0, 0)], /longer than any expected/],
  ])('refuses %s, for good', (_name, parts, words) => {
    const stream = concat(parts);
    for (let cut = 0; cut < stream.length; cut++) {
      const codec = new CopyToJson({ inputBytes: 512, blockBytes: 4096 });
      expect(() => scanAll(stream, [cut], codec)).toThrow(words);
      expect(() => codec.scan(0)).toThrow(words);
      expect(() => codec.take()).toThrow(words);
    }
  });

  it('refuses to scan before a full block is taken', () => {
    const codec = new CopyToJson({ blockBytes: 4 });
    const stream = copyStream(['abc\n'], 1);
    codec.input.set(stream);
    codec.scan(stream.length);
    expect(codec.due).toBe(true);
    expect(() => codec.scan(0)).toThrow(/before the full block was taken/);
    codec.release();
    expect(codec.due).toBe(false);
  });
});

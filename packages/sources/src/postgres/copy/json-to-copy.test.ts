import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, copyStream } from './backend-stream.reference.ts';
import { copyRowReference } from './copy-to-json.reference.ts';
import { CopyToJson } from './copy-to-json.ts';
import { jsonToCopyReference } from './json-to-copy.reference.ts';
import { JsonToCopy } from './json-to-copy.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The payloads of the CopyData messages that come of the lines, fed in pieces that end at the cuts. */
function convertAll(
  lines: Uint8Array,
  cuts: readonly number[] = [],
  codec = new JsonToCopy(),
  columns?: number,
) {
  codec.reset(columns === undefined ? {} : { columns });
  const payloads: Uint8Array[] = [];
  const take = (): void => {
    const message = codec.take();
    codec.release();
    if (message.length === 0) return;
    expect(message[0]).toBe(0x64);
    expect(new DataView(message.buffer, message.byteOffset).getInt32(1)).toBe(message.length - 1);
    payloads.push(message.slice(5));
  };
  let from = 0;
  for (const to of [...cuts, lines.length]) {
    while (from < to) {
      const piece = lines.subarray(from, Math.min(to, from + codec.input.length));
      codec.input.set(piece);
      codec.convert(piece.length);
      if (codec.due) take();
      from += piece.length;
    }
  }
  codec.end();
  take();
  return { copy: decode(concat(payloads)), rows: codec.rows };
}

const strings = [
  '',
  'x',
  '\\n',
  '\\b\\f\\r\\t',
  '\\"',
  '\\\\',
  '\\/',
  '\\u0001',
  '\\u000b',
  '\\u0008\\u0009\\u000A\\u000c\\u000d',
  '\\u005c\\u0022',
  '\\u00e9',
  '\\u20ac',
  '\\ud83e\\uddad',
  '\\uD83E\\uDDAD🦭',
  'é🦭',
  '\u007f',
  'null',
  '\\\\N',
  'x'.repeat(70),
  '],[',
  ' ',
  "'",
];
const values = [...strings.map((text) => `"${text}"`), 'null'];
const samples: [name: string, text: string][] = [
  ['plain rows', '["1","text",null]\n["2","","2024-01-01"]\n'],
  ['nulls only', '[null,null,null]\n[null,"",null]\n'],
  ['no columns', '[]\n[]\n'],
  ['no rows', ''],
  ['one column', '[""]\n[null]\n["\\\\"]\n'],
  ['every string beside every other', `[${values.join(',')}]\n[${[...values].reverse().join(',')}]\n`],
  ['every string alone', values.map((value) => `[${value}]\n`).join('')],
  [
    'strings at every place of a window',
    values.map((v) => `["${'y'.repeat(61)}",${v},${v},null]\n`).join(''),
  ],
  ['runs of nulls', `["a"${',null'.repeat(40)},"b"${',null'.repeat(40)}]\n`.repeat(3)],
];

describe('JsonToCopy', () => {
  it.each(samples)('%s: the same as the reference, cut at every byte', (_name, text) => {
    const bytes = encode(text);
    const expected = { copy: jsonToCopyReference(text), rows: text.split('\n').length - 1 };
    const codec = new JsonToCopy({ inputBytes: 8192 });
    expect(convertAll(bytes, [], codec)).toEqual(expected);
    expect(convertAll(bytes, [...bytes.keys()], codec)).toEqual(expected);
    for (let cut = 0; cut < bytes.length; cut++) expect(convertAll(bytes, [cut], codec)).toEqual(expected);
    for (const inputBytes of [1, 90, 150]) {
      expect(convertAll(bytes, [], new JsonToCopy({ inputBytes, blockBytes: 1 }))).toEqual(expected);
    }
  });

  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }).filter((text) => !text.includes('\0')),
    fc.constantFrom(null, null, '', 'N', '\\', '\\N', '\t', '\n', '"', '\u0001'),
    fc
      .array(fc.constantFrom('\\', '\t', '"', 'a', 'N', '\n', '\x0b', '🦭'), { maxLength: 80 })
      .map((c) => c.join('')),
  );
  const table = fc
    .integer({ min: 0, max: 8 })
    .chain((n) => fc.array(fc.array(value, { minLength: n, maxLength: n }), { maxLength: 8 }));
  const cutsOf = fc.array(fc.nat({ max: 3000 }), { maxLength: 5 });
  const within = (cuts: readonly number[], length: number): number[] =>
    cuts.map((cut) => Math.min(cut, length)).sort((a, b) => a - b);

  it('agrees with the reference on any values, however they are escaped, cut anywhere', () => {
    const codec = new JsonToCopy({ inputBytes: 300, blockBytes: 200 });
    const escapedMore = (line: string): string =>
      line.replace(/[^\u0020-\u007e]|[NaZ/]/g, (unit) =>
        unit === '/' ? '\\/' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    fc.assert(
      fc.property(table, cutsOf, fc.boolean(), (rows, at, more) => {
        const lines = rows.map((row) => JSON.stringify(row)).map((line) => (more ? escapedMore(line) : line));
        const bytes = encode(lines.map((line) => `${line}\n`).join(''));
        const copy = rows.map(copyRowReference).join('');
        expect(convertAll(bytes, within(at, bytes.length), codec)).toEqual({ copy, rows: rows.length });
      }),
      { numRuns: 500 },
    );
  });

  it('brings back what CopyToJson made, byte by byte', () => {
    const there = new CopyToJson();
    const back = new JsonToCopy();
    fc.assert(
      fc.property(table, cutsOf, (rows, at) => {
        const text = rows.map(copyRowReference);
        const stream = copyStream(text, rows[0]?.length ?? 0);
        there.input.set(stream);
        there.scan(stream.length);
        const json = there.take().slice();
        there.release();
        expect(convertAll(json, within(at, json.length), back).copy).toBe(text.join(''));
      }),
      { numRuns: 500 },
    );
  });

  it('takes and refuses just what the reference does', () => {
    const codec = new JsonToCopy({ inputBytes: 400 });
    const pad = 'p'.repeat(90);
    const good = `["${pad}","a\\n",null,"\\u00e9"]\n["${pad}",null,null,"\\ud83e\\uddad"]\n["1","2","3","${pad}"]\n`;
    const replacement = fc.constantFrom(
      ...['"', '\\', ',', '[', ']', '\n', '\t', 'n', 'u', '0', ' ', '{', '\0', 'dc00', '""', ',,', ''],
    );
    fc.assert(
      fc.property(
        fc.nat({ max: good.length - 1 }),
        fc.nat({ max: 2 }),
        replacement,
        cutsOf,
        (place, gone, put, at) => {
          const text = good.slice(0, place) + put + good.slice(place + gone);
          const bytes = encode(text);
          let expected: string | undefined;
          try {
            expected = jsonToCopyReference(text);
          } catch {}
          let got: string | undefined;
          try {
            got = convertAll(bytes, within(at, bytes.length), codec).copy;
          } catch {}
          expect(got).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('turns a value of 10 MB', () => {
    const row = ['1', '\u0001"\\\n🦭x'.repeat(1_500_000), null];
    expect(convertAll(encode(`${JSON.stringify(row)}\n`)).copy === copyRowReference(row)).toBe(true);
  });

  it('turns rows of 1600 columns', () => {
    const row = JSON.stringify(Array.from({ length: 1600 }, (_, i) => (i % 3 ? String(i) : null)));
    const text = `${row}\n`.repeat(3);
    expect(convertAll(encode(text)).copy).toBe(jsonToCopyReference(text));
  });

  const long = 'p'.repeat(100);
  it.each([
    ['a number', '["1",2]\n', 5, /neither a string nor null/],
    ['an object', '[{"a":"1"}]\n', 1, /neither/],
    ['a nested array', '[["1"]]\n', 1, /neither/],
    ['true', '[true]\n', 1, /neither/],
    ['a misspelt null', '[nuLl]\n', 3, /neither/],
    ['a header line', '{"chunk":"t"}\n', 0, /not one JSON array/],
    ['an empty line', '\n', 0, /not one JSON array/],
    ['two arrays in a line', '["1"]["2"]\n', 5, /not one JSON array/],
    ['a comma at the end', '["1",]\n', 5, /neither/],
    ['a missing comma', '["1""2"]\n', 4, /neither/],
    ['a blank between values', '["1", "2"]\n', 5, /neither/],
    ['a carriage return', '["1"]\r\n', 5, /not one JSON array/],
    ['a raw tab', '["a\tb"]\n', 3, /unescaped/],
    ['a raw newline in a long string', `["${long}\n${long}"]\n`, 102, /unescaped/],
    ['an unknown escape', '["\\x41"]\n', 3, /escape/],
    ['a bad digit', '["\\u00g0"]\n', 6, /escape/],
    ['an escape in a long string', `["${long}\\v${long}"]\n`, 103, /escape/],
    ['a zero', '["\\u0000"]\n', 7, /U\+0000/],
    ['a low surrogate alone', '["\\udc00"]\n', 7, /surrogate/],
    ['a high surrogate alone', '["\\ud800"]\n', 8, /surrogate/],
    ['a high surrogate before text', '["\\ud800\\n"]\n', 9, /surrogate/],
    ['two high surrogates', '["\\ud800\\ud800"]\n', 13, /surrogate/],
    ['a row that is shorter', '["1","2"]\n["1"]\n', 15, /number of values/],
    ['a long row that is longer', `["${long}"]\n["${long}","2"]\n`, 213, /number of values/],
    ['a row without values among others', '["1"]\n[]\n', 8, /number of values/],
  ])('refuses %s, for good, and says where', (_name, text, at, words) => {
    const bytes = encode(text);
    for (let cut = 0; cut < bytes.length; cut++) {
      const codec = new JsonToCopy({ inputBytes: 512, blockBytes: 4096 });
      expect(() => convertAll(bytes, [cut], codec)).toThrow(words);
      expect(() => codec.convert(0)).toThrow(new RegExp(`row \\d, byte ${at}\\)`));
      expect(() => codec.take()).toThrow(words);
      expect(() => codec.end()).toThrow(words);
      expect(convertAll(encode('["1"]\n'), [], codec).copy).toBe('1\n');
    }
  });

  it('refuses lines that end too early, at every byte', () => {
    const bytes = encode('["1",null,"\\ud83e\\uddad"]\n');
    const codec = new JsonToCopy();
    for (let length = 1; length < bytes.length; length++) {
      expect(() => convertAll(bytes.subarray(0, length), [], codec)).toThrow(/in the middle of a line/);
    }
  });

  it('holds every row to the number of columns given', () => {
    const codec = new JsonToCopy();
    expect(() => convertAll(encode('[]\n'), [], codec, 1)).toThrow(/number of values/);
    expect(() => convertAll(encode('["1"]\n'), [], codec, 2)).toThrow(/number of values/);
    expect(convertAll(encode('["1"]\n'), [], codec, 1).copy).toBe('1\n');
  });

  it('refuses to convert before a full block is taken', () => {
    const codec = new JsonToCopy({ blockBytes: 1 });
    codec.input.set(encode('["1"]\n'));
    codec.convert(6);
    expect(() => codec.convert(0)).toThrow(/before the full block was taken/);
    codec.release();
    expect(codec.take()).toHaveLength(0);
  });
});

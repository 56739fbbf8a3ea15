import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowDigestReference, xxh64Reference } from './row-digest.reference.ts';
import { addDigests, emptyDigest, RowDigest } from './row-digest.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const oneRow = (text: string): string => xxh64Reference(encode(text)).toString(16).padStart(32, '0');

/** Fed in pieces that end at the given cuts, through buffers of the given capacity. */
function digestOf(
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  into = new RowDigest({ capacityBytes: 256 }),
) {
  into.reset();
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    for (let piece = bytes.subarray(from, to); ; ) {
      piece = piece.subarray(into.append(piece));
      into.absorb();
      if (piece.length === 0) break;
      into.clear();
    }
    from = to;
  }
  return { rows: into.rows, digest: into.digest, midLine: into.midLine };
}

function referenceOf(bytes: Uint8Array) {
  const reference = new RowDigestReference();
  reference.append(bytes);
  return { rows: reference.rows, digest: reference.digest, midLine: reference.midLine };
}

const header = '{"chunk":"public.t","columns":["a"]}\n';
const trailer = '{"rows":3}\n';
const samples = [
  '',
  '\n',
  '\n\n[]\n',
  '["1"]\n["2",null]\n',
  `${header}["1"]\n["{"]\n["${'x'.repeat(200)}"]\n${trailer}`,
  `${header}${trailer}`,
  `${header}["1"]\n["cut`,
  header.slice(0, 9),
  `["${'y'.repeat(31)}"]\n${'z'.repeat(64)}\n{\n[]\n`,
];

describe('RowDigest', () => {
  it.each([
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['xxhash', '32dd38952c4bc720'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ])('hashes %j as XXH64 does', (text, hash) => {
    expect(digestOf(encode(`${text}\n`)).digest).toBe(hash.padStart(32, '0'));
    expect(oneRow(text)).toBe(hash.padStart(32, '0'));
  });

  it('hashes lines of every length as the reference does, whole and cut', () => {
    const into = new RowDigest({ capacityBytes: 256 });
    for (let length = 0; length < 140; length++) {
      const line = Uint8Array.from({ length: length + 1 }, (_, i) =>
        i === length ? 10 : 32 + ((i * 7) % 90),
      );
      const expected = referenceOf(line);
      expect(digestOf(line, [], into)).toEqual(expected);
      expect(digestOf(line, [length >> 1], into)).toEqual(expected);
    }
  });

  it.each(samples)('gives the same for %j cut at every byte', (text) => {
    const bytes = encode(text);
    const expected = referenceOf(bytes);
    const into = new RowDigest({ capacityBytes: 256 });
    expect(digestOf(bytes, [...bytes.keys()], into)).toEqual(expected);
    for (let cut = 0; cut <= bytes.length; cut++) expect(digestOf(bytes, [cut], into)).toEqual(expected);
    for (const capacityBytes of [1, 7, 64]) {
      expect(digestOf(bytes, [], new RowDigest({ capacityBytes }))).toEqual(expected);
    }
  });

  it('agrees with the reference on any lines, cut anywhere', () => {
    const into = new RowDigest({ capacityBytes: 100 });
    const line = fc.oneof(
      fc.string({ maxLength: 300, unit: 'binary' }),
      fc.constantFrom('', '{', '{"a":1}', '[]'),
    );
    const cuts = fc.array(fc.nat({ max: 2000 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), cuts, fc.boolean(), (lines, at, ended) => {
        const bytes = encode(lines.join('\n') + (ended ? '\n' : ''));
        const sorted = at.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
        expect(digestOf(bytes, sorted, into)).toEqual(referenceOf(bytes));
      }),
    );
  });

  it('carries a line over many buffers', () => {
    const bytes = encode(`["1"]\n["${'long'.repeat(300_000)}"]\n["2"]\n`);
    expect(digestOf(bytes, [], new RowDigest({ capacityBytes: 4096 }))).toEqual(referenceOf(bytes));
  });

  it('does not depend on the order of rows, and adds up over chunks', () => {
    const a = digestOf(encode('["1"]\n["2"]\n')).digest;
    expect(digestOf(encode('["2"]\n["1"]\n')).digest).toBe(a);
    expect(addDigests(oneRow('["1"]'), oneRow('["2"]'))).toBe(a);
    expect(addDigests(a, emptyDigest)).toBe(a);
    expect(digestOf(encode('')).digest).toBe(emptyDigest);
    expect(addDigests('f'.repeat(32), `${'0'.repeat(31)}2`)).toBe(`${'0'.repeat(31)}1`);
  });

  it('carries from the low half of the sum into the high half', () => {
    const bytes = encode('["1"]\n'.repeat(100));
    expect(digestOf(bytes)).toEqual(referenceOf(bytes));
    expect(BigInt(`0x${digestOf(bytes).digest}`) >> 64n).toBeGreaterThan(0n);
  });

  it('appends what fits, and says how much that was', () => {
    const digest = new RowDigest({ capacityBytes: 8 });
    expect(digest.append(encode('["1"]\n["2"]\n'))).toBe(8);
    expect(digest.freeBytes).toBe(0);
    expect(new TextDecoder().decode(digest.bytes())).toBe('["1"]\n["');
    digest.clear();
    expect([digest.filledBytes, digest.rows, digest.midLine]).toEqual([0, 1, true]);
    digest.reset();
    expect([digest.rows, digest.midLine, digest.digest]).toEqual([0, false, emptyDigest]);
  });

  it.each([1, 5, 13, 64, 500])('strips header and trailer in buffers of %i bytes', (capacityBytes) => {
    const digest = new RowDigest({ capacityBytes });
    const rows = '["1"]\n["{"]\n\n';
    for (const body of [rows, '']) {
      digest.reset();
      let seen = '';
      let rest = encode(header + body + trailer);
      for (;;) {
        rest = rest.subarray(digest.append(rest));
        seen += new TextDecoder().decode(digest.rowBytes());
        if (rest.length === 0) break;
        expect(digest.framed).toBe(false);
        digest.clear();
      }
      expect(seen).toBe(body);
      expect([digest.framed, digest.markers, digest.midLine]).toEqual([true, 2, false]);
    }
  });

  it('says where header and trailer are', () => {
    const digest = new RowDigest();
    digest.append(encode(header));
    digest.absorb();
    expect([digest.headerEnd, digest.trailerOffset]).toEqual([header.length, undefined]);
    digest.append(encode('["1"]\n'));
    digest.append(encode(trailer.slice(0, 4)));
    digest.absorb();
    expect([digest.headerEnd, digest.trailerOffset]).toEqual([header.length, header.length + 6]);
    expect([digest.framed, digest.midLine]).toEqual([false, true]);
    digest.clear();
    expect([digest.headerEnd, digest.trailerOffset]).toEqual([0, 0]);
  });

  it('refuses rows behind the trailer, and does not call them a whole chunk', () => {
    const digest = new RowDigest();
    digest.append(encode(`${header}${trailer}["1"]\n`));
    expect(() => digest.rowBytes()).toThrow(/behind its trailer/);
    expect(digest.framed).toBe(false);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commitTimeMs } from './commit-time.ts';
import { ChangeDecoder, type Resolve } from './decode.ts';
import type { RelationShape } from './relation.ts';
import { type Field, type Printed, print, printChange, quoteIdentifier } from './test-decoding.reference.ts';

/** What `COPY` makes of what test_decoding prints, cut into blocks of a size. */
function decode(texts: readonly string[], resolve: Resolve, blockBytes = 1 << 20): unknown[] {
  const all = Buffer.from(texts.map((text) => `${JSON.stringify(['0/16B3748', text])}\n`).join(''));
  const decoder = new ChangeDecoder(resolve);
  const out: Buffer[] = [];
  for (let at = 0; at < all.length; at += blockBytes) {
    expect(decoder.decode(all.subarray(at, at + blockBytes))).toBeUndefined();
    out.push(Buffer.from(decoder.written()));
    decoder.release();
  }
  decoder.finish();
  const lines = Buffer.concat(out).toString().split('\n').slice(0, -1);
  expect(lines.length).toBe(decoder.lines);
  return lines.map((line) => JSON.parse(line) as unknown);
}

const commit = 'COMMIT 77 (at 2026-11-20 14:00:00.123456+00)';
const shape: RelationShape = {
  path: '/public.t',
  columns: ['id', 'name'],
  generated: ['twice'],
  key: ['id'],
};
const known: Resolve = () => shape;

function changesOf(...texts: string[]): unknown[] {
  return decode(['BEGIN', ...texts, commit], known).slice(2, -1);
}

describe('decoding what test_decoding prints', () => {
  it('writes a transaction with its relation, its rows and its commit', () => {
    const lines = decode(
      ['BEGIN', "table public.t: INSERT: id[integer]:1 name[text]:'it''s' twice[integer]:2", commit],
      known,
    );
    expect(lines).toEqual([
      ['begin'],
      ['relation', 0, '/public.t', ['id', 'name'], ['id']],
      ['insert', 0, ['1', "it's"]],
      ['commit', '0/16B3748', 1795183200123.456],
    ]);
  });

  it('says the old key of an update only when the key changed', () => {
    const full = "id[integer]:1 name[text]:'a' twice[integer]:2";
    expect(
      changesOf(
        `table public.t: UPDATE: ${full}`,
        `table public.t: UPDATE: old-key: id[integer]:7 new-tuple: ${full}`,
        `table public.t: UPDATE: old-key: id[integer]:1 name[text]:'b' new-tuple: ${full}`,
      ),
    ).toEqual([
      ['update', 0, null, ['1', 'a']],
      ['update', 0, ['7'], ['1', 'a']],
      ['update', 0, null, ['1', 'a']],
    ]);
  });

  it('marks values that the log does not carry, and takes a long key from the old row', () => {
    const texts = {
      plain: 'table public.t: UPDATE: id[integer]:1 name[text]:unchanged-toast-datum twice[integer]:2',
      key: "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:unchanged-toast-datum name[text]:'x' twice[integer]:null",
    };
    expect(changesOf(texts.plain, texts.key)).toEqual([
      ['update', 0, null, ['1', {}]],
      ['update', 0, null, ['1', 'x']],
    ]);
  });

  it('addresses deletes by their key, whatever else the old row holds', () => {
    expect(
      changesOf(
        "table public.t: DELETE: id[integer]:1 name[text]:'b' twice[integer]:2",
        'table public.t: DELETE: id[integer]:2 twice[integer]:4',
        'table public.t: DELETE: id[integer]:3',
      ),
    ).toEqual([
      ['delete', 0, ['1']],
      ['delete', 0, ['2']],
      ['delete', 0, ['3']],
    ]);
  });

  it('truncates every relation that a TRUNCATE names', () => {
    const shapes: Record<string, RelationShape> = {
      'public.a': { ...shape, path: '/public.a' },
      'public."b: TRUNCATE"': { ...shape, path: '/public.b' },
    };
    const lines = decode(
      ['BEGIN', 'table public.a, public."b: TRUNCATE", other.c: TRUNCATE: restart_seqs cascade', commit],
      (name) => shapes[name] ?? 'skip',
    );
    expect(lines.filter((line) => (line as [string])[0] === 'truncate')).toEqual([
      ['truncate', 0],
      ['truncate', 1],
    ]);
  });

  it('leaves out transactions of which nothing is wanted, and counts their changes', () => {
    const decoder = new ChangeDecoder(() => 'skip');
    const texts = [
      'BEGIN',
      'table public.k: INSERT: a[integer]:1',
      'table public.k: DELETE: (no-tuple-data)',
      commit,
    ];
    decoder.decode(Buffer.from(texts.map((text) => `${JSON.stringify(['0/1', text])}\n`).join('')));
    expect(decoder.written().length).toBe(0);
    expect(decoder.seen()).toEqual([
      { printed: 'public.k', path: undefined, changes: 2, broken: false, truncatedBy: 0 },
    ]);
  });

  it.each([
    ['a row without its key', 'table public.t: DELETE: (no-tuple-data)'],
    [
      'a column that the catalog does not know',
      "table public.t: INSERT: id[integer]:1 name[text]:'a' x[integer]:2",
    ],
    ['a column that is missing', 'table public.t: INSERT: id[integer]:1'],
    [
      'a long key that the log does not carry',
      "table public.t: UPDATE: id[text]:unchanged-toast-datum name[text]:'a'",
    ],
  ])('gives a relation up at %s, and writes nothing of it any more', (_, text) => {
    const decoder = new ChangeDecoder(known);
    const texts = ['BEGIN', text, "table public.t: INSERT: id[integer]:1 name[text]:'a'", commit];
    decoder.decode(Buffer.from(texts.map((each) => `${JSON.stringify(['0/1', each])}\n`).join('')));
    expect(Buffer.from(decoder.written()).toString()).not.toContain('insert');
    expect(decoder.seen()).toMatchObject([{ path: '/public.t', broken: true }]);
  });

  it('halts at a relation that it does not know, and goes on with the rest', () => {
    let asked: RelationShape | undefined;
    const decoder = new ChangeDecoder(() => asked);
    const line = `${JSON.stringify(['0/1', "table public.t: INSERT: id[integer]:1 name[text]:'a'"])}\n`;
    const halt = decoder.decode(Buffer.from(line));
    expect(halt?.unknown).toBe('public.t');
    asked = shape;
    expect(decoder.decode(halt?.rest ?? Buffer.alloc(0))).toBeUndefined();
    expect(Buffer.from(decoder.written()).toString()).toContain('["insert",0,["1","a"]]');
  });

  it('makes room for whatever a block holds: large values, many rows, a TRUNCATE of many relations', () => {
    const large = 'x'.repeat(5_000_000);
    const rows = Array.from(
      { length: 20_000 },
      (_, id) => `table public.t: INSERT: id[integer]:${id} name[text]:'${'y'.repeat(200)}'`,
    );
    const names = Array.from({ length: 5_000 }, (_, i) => `a.b${i}`);
    const texts = ['BEGIN', `table public.t: INSERT: id[integer]:1 name[text]:'${large}'`, ...rows, commit];
    const lines = decode(
      [...texts, 'BEGIN', `table ${names.join(', ')}: TRUNCATE: (no-flags)`, commit],
      known,
      1 << 30,
    );
    expect(lines[2]).toEqual(['insert', 0, ['1', large]]);
    expect(lines[20_002]).toEqual(['insert', 0, ['19999', 'y'.repeat(200)]]);
    expect(lines.at(-2)).toEqual(['truncate', 5_000]);
  });

  it('refuses an answer that ends inside a transaction, and a line that it cannot read', () => {
    const decoder = new ChangeDecoder(known);
    decoder.decode(Buffer.from('["0/1","BEGIN"]\n'));
    expect(() => decoder.finish()).toThrow(/inside a transaction/);
    expect(() => decoder.decode(Buffer.from('["0/1","opening a streamed block"]\n'))).toThrow(
      /cannot be read/,
    );
  });

  it('reads times with and without a fraction, before 1970, far ahead and with other offsets', () => {
    expect(commitTimeMs('(at 2026-11-20 14:00:00+00)')).toBe(1795183200000);
    expect(commitTimeMs('(at 2026-11-20 14:00:00.1+00)')).toBe(1795183200100);
    expect(commitTimeMs('(at 2026-11-20 14:00:00-03:30)')).toBe(1795195800000);
    expect(commitTimeMs('(at 12026-11-20 14:00:00+00)')).toBe(Date.UTC(12026, 10, 20, 14));
    expect(commitTimeMs('(at noon)')).toBeUndefined();
  });

  it('writes the times of commits as they are, in one minute and over its end', () => {
    const times = ['13:59:59.999999', '14:00:00', '14:00:00.000001', '14:00:59.5', '14:01:00.25', '14:00:01'];
    const texts = times.flatMap((time) => [
      'BEGIN',
      "table public.t: INSERT: id[integer]:1 name[text]:'a'",
      `COMMIT 4294967295 (at 2026-11-20 ${time}+00)`,
    ]);
    const commits = decode(texts, known).filter((line) => (line as [string])[0] === 'commit');
    expect(commits.map((line) => (line as [string, string, number])[2])).toEqual([
      1795183199999.999, 1795183200000, 1795183200000.001, 1795183259500, 1795183260250, 1795183201000,
    ]);
  });
});

const identifier = fc.oneof(
  fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/),
  fc.string({ minLength: 1, maxLength: 8, unit: 'binary' }),
  fc.constantFrom('new-tuple', 'a"b', ' "', 'x[integer]:1', '\\', '"', ': INSERT:', 'ein Name', '日本'),
);
const type = fc.oneof(
  fc.constantFrom(
    'integer',
    'timestamp with time zone',
    'integer[]',
    '"char"',
    'character varying',
    'bit varying',
  ),
  identifier.map((name) => `public.${quoteIdentifier(name)}[]`),
);
const text = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    "'",
    "''",
    "' b[text]:'",
    '\n',
    '\\',
    '"',
    '"]',
    'null',
    "it's\tnew-tuple:",
    '\u0001\u007f',
  ),
);
const field: fc.Arbitrary<Field> = fc.oneof(
  text.map((value): Field => ({ form: 'quoted', value })),
  fc
    .constantFrom('1', '-1.5e+30', 'NaN', 'Infinity', '-Infinity', '0.00')
    .map((value): Field => ({ form: 'raw', value })),
  fc.constantFrom('t', 'f').map((value): Field => ({ form: 'boolean', value })),
  fc.stringMatching(/^[01]{0,9}$/).map((value): Field => ({ form: 'bits', value })),
  fc.constant<Field>({ form: 'null', value: null }),
);
const keyField = field.filter((each) => each.value !== null);

/** A table of any names and types, and changes of it. */
const table = fc
  .uniqueArray(fc.record({ name: identifier, type, generated: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
    selector: (each) => each.name,
  })
  .chain((columns) => {
    const key = columns[0]?.name ?? '';
    const row = fc.tuple(keyField, ...columns.slice(1).map(() => field));
    const change = fc
      .record({
        operation: fc.constantFrom('INSERT', 'UPDATE', 'DELETE', 'KEY', 'TRUNCATE' as const),
        row,
        old: row,
      })
      // A column has one type, and so one form.
      .map((each) => (each.old[0].form === each.row[0].form ? each : { ...each, old: each.row }));
    return fc.record({
      schema: identifier,
      name: identifier,
      columns: fc.constant(columns.map((each) => (each.name === key ? { ...each, generated: false } : each))),
      changes: fc.array(change, { minLength: 1, maxLength: 6 }),
    });
  });

describe('any relation and any values', () => {
  it('come out as they went in, wherever the blocks are cut', () => {
    fc.assert(
      fc.property(
        table,
        fc.integer({ min: 1, max: 200 }),
        ({ schema, name, columns, changes }, blockBytes) => {
          const printed: Printed = { schema, name, columns };
          const stored = columns.filter((each) => !each.generated).map((each) => each.name);
          const key = columns[0]?.name ?? '';
          const relation: RelationShape = {
            path: '/x',
            columns: stored,
            generated: columns.filter((each) => each.generated).map((each) => each.name),
            key: [key],
          };
          const values = (row: readonly Field[]): unknown[] =>
            row.filter((_, i) => !columns[i]?.generated).map((each) => each.value);
          const texts = changes.map((change) => printChange(printed, change));
          const expected = changes.map(({ operation, row, old }) => {
            const [was, is] = [old[0]?.value, row[0]?.value];
            if (operation === 'INSERT') return ['insert', 0, values(row)];
            if (operation === 'DELETE') return ['delete', 0, [was]];
            if (operation === 'TRUNCATE') return ['truncate', 0];
            const moved = operation === 'KEY' && was !== is;
            return ['update', 0, moved ? [was] : null, values(row)];
          });
          const resolve: Resolve = (asked) => {
            expect(asked).toBe(`${quoteIdentifier(schema)}.${quoteIdentifier(name)}`);
            return relation;
          };
          expect(decode(['BEGIN', ...texts, commit], resolve, blockBytes).slice(2, -1)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keep every byte of the JSON that COPY made of a value', () => {
    fc.assert(
      fc.property(text, (value) => {
        const line = JSON.stringify([
          '0/1',
          `table public.t: INSERT: id[integer]:1 name[text]:${print({ form: 'quoted', value })}`,
        ]);
        const decoder = new ChangeDecoder(known);
        decoder.decode(Buffer.from(`${line}\n`));
        const [, , insert] = Buffer.from(decoder.written()).toString().split('\n');
        expect(insert).toBe(`["insert",0,["1",${JSON.stringify(value)}]]`);
      }),
      { numRuns: 300 },
    );
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layoutOf, tablesOf } from './catalog.ts';
import { folder } from './chain.fixture.ts';
import { imageOfFile } from './file-image.ts';
import { allRowids, PageRows } from './page-rows.ts';
import { recordBlocks } from './record-text.ts';
import { RowParser } from './row-parser.ts';
import { RowStream } from './row-stream.ts';
import { RawText, realText, rowLine, type SqliteValue, valueText } from './value-text.ts';

const value: fc.Arbitrary<SqliteValue> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer().map(BigInt),
  fc.double({ noNaN: true }),
  fc.integer().map((n) => n / 100),
  fc.integer().map((n) => n / 16),
  fc.integer(),
  fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text.isWellFormed()),
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => new RawText(Uint8Array.of(0xff, ...bytes))),
);

const plain = (values: readonly SqliteValue[]): unknown[] =>
  values.map((one) =>
    one instanceof RawText ? { t: [...one.bytes] } : one instanceof Uint8Array ? { x: [...one] } : one,
  );

function parse(line: string): SqliteValue[] {
  const bytes = Buffer.from(line);
  return new RowParser().parse(bytes, 0, bytes.length - 1, []);
}

describe('the text of a value', () => {
  test('reads back as the same value of the same class', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), (row) => {
        expect(plain(parse(rowLine(row)))).toEqual(plain(row));
      }),
      { numRuns: 500 },
    );
  });

  test('tells integers from reals and text from bytes', () => {
    expect(
      [1n, 1, -0, 1e21, 1e-7, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(valueText),
    ).toEqual(['1', '1.0', '-0.0', '1e+21', '1e-7', '1e999', '-1e999']);
    expect(valueText(Uint8Array.of(0, 255))).toBe('{"x":"00FF"}');
    expect(valueText(new RawText(Uint8Array.of(255)))).toBe('{"t":"FF"}');
    expect(Object.is(parse('[-0.0]\n')[0], -0)).toBe(true);
    expect(parse('[1e999,-1e999]\n')).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  test('that is none is refused', () => {
    for (const line of [
      '[1',
      '[1,]',
      '[tru]',
      '{"x":"00"}',
      '["a]',
      '[{"x":"0"}]',
      '[{"y":"00"}]',
      '[1]2',
      '',
    ]) {
      expect(() => parse(`${line}\n`), line).toThrow('not as SQLite values are written');
    }
  });

  test('comes whole however its lines are cut', () => {
    const text = Buffer.from(rowLine([1n, 'é\n']) + rowLine([null]) + rowLine([2.5]));
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const stream = new RowStream();
        const lines: string[] = [];
        const ends = [...cuts.sort((a, b) => a - b), text.length];
        let from = 0;
        for (const end of ends) {
          stream.push(text.subarray(from, end), (bytes, start, stop) =>
            lines.push(Buffer.from(bytes.subarray(start, stop)).toString()),
          );
          from = end;
        }
        stream.end();
        expect(`${lines.join('\n')}\n`).toBe(text.toString());
      }),
    );
    const stream = new RowStream();
    stream.push(Buffer.from('[1'), () => {});
    expect(() => stream.end()).toThrow('middle of a line');
  });
});

describe('pages become lines', () => {
  /** What SQLite itself says of every row, value by value. */
  function expected(db: DatabaseSync, columns: readonly string[]): string[] {
    const parts = columns.flatMap((name) => [
      `typeof(${name})`,
      `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`,
    ]);
    const rows = db
      .prepare(`SELECT rowid, ${parts.join(',')} FROM t ORDER BY rowid`, {
        returnArrays: true,
        readBigInts: true,
      })
      .all() as unknown as SqliteValue[][];
    return rows.map((row) =>
      rowLine([
        row[0] ?? null,
        ...columns.map((_, index) => {
          const raw = row[2 + 2 * index] ?? null;
          if (row[1 + 2 * index] !== 'text') return raw;
          const text = Buffer.from(raw as Uint8Array).toString('utf8');
          return Buffer.from(text).equals(Buffer.from(raw as Uint8Array))
            ? text
            : new RawText(raw as Uint8Array);
        }),
      ]),
    );
  }

  test('as SQLite itself reads them, whatever is in them', () => {
    using at = folder();
    const columns = ['a', 'i', 'r', 's', 'n'];
    let run = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value, value), {
          maxLength: 60,
        }),
        fc.constantFrom(512, 1024, 4096, 65536),
        (rows, pageSize) => {
          const path = join(at.path, `${run++}.db`);
          const db = new DatabaseSync(path);
          db.exec(
            `PRAGMA page_size=${pageSize}; PRAGMA synchronous=OFF; CREATE TABLE t(a, i INTEGER, r REAL, s TEXT, n NUMERIC)`,
          );
          for (const [rowid, one, two] of rows) {
            const bind = (v: SqliteValue): never => (v instanceof RawText ? v.bytes : v) as never;
            const mark = (v: SqliteValue): string => (v instanceof RawText ? 'CAST(? AS TEXT)' : '?');
            db.prepare(
              `INSERT OR REPLACE INTO t(rowid,a,i,r,s,n) VALUES(?,${[one, one, two, one, two].map(mark).join(',')})`,
              { readBigInts: true },
            ).run(rowid as never, bind(one), bind(one), bind(two), bind(one), bind(two));
          }
          const [table] = tablesOf(db, 'main');
          if (!table) throw new Error('no table');
          using opened = imageOfFile(path);
          const blocks: Buffer[] = [];
          using reader = new PageRows(opened.image);
          for (const block of reader.read(layoutOf(db, table), allRowids)) blocks.push(Buffer.from(block));
          const want = expected(db, columns);
          expect(Buffer.concat(blocks).toString('utf8')).toBe(want.join(''));
          expect(reader.rows).toBe(want.length);
          db.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('doubles as JavaScript prints them', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true }),
          fc.integer().map((n) => n / 1000),
        ),
        (number) => {
          const payload = Buffer.concat([Buffer.from([2, 7]), Buffer.alloc(8)]);
          payload.writeDoubleBE(number, 2);
          const layout = {
            rootPage: 1,
            withoutRowid: false,
            storedCount: 1,
            outputs: [{ stored: 0, real: false, rowidAlias: false, missing: 'null' }],
          };
          const context = {
            image: { encoding: 'utf8' as const },
            corrupt: (what: string) => new Error(what) as never,
          };
          const line = Buffer.concat([...recordBlocks(payload, layout, 1n, context)]).toString();
          expect(line).toBe(`[${realText(number)}]\n`);
        },
      ),
    );
  });

  test('never beyond their ends: a damaged file is told, not followed', () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec(`CREATE TABLE t(a, b); WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i < 400)
      INSERT INTO t SELECT i, hex(zeroblob(i * 10)) FROM g`);
    const [table] = tablesOf(db, 'main');
    if (!table) throw new Error('no table');
    const layout = layoutOf(db, table);
    db.close();
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }), (where, damage) => {
        const file = join(at.path, 'damaged.db');
        const bytes = Buffer.from(whole);
        bytes.set(damage, 100 + (where % (bytes.length - 200)));
        writeFileSync(file, bytes);
        using damaged = imageOfFile(file);
        let sum = 0;
        try {
          using reader = new PageRows(damaged.image);
          for (const block of reader.read(layout, allRowids)) sum += block.length;
        } catch (caught) {
          expect((caught as { code?: string }).code).toMatch(/^(corrupt|source_failed)$/);
        }
        expect(sum).toBeLessThan(50_000_000);
      }),
      { numRuns: 60 },
    );
  });
});

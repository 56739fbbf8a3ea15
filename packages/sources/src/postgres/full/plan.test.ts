import { describe, expect, it } from 'vitest';
import type { CatalogTable, TableSize } from './catalog.ts';
import { type How, planTable } from './plan.ts';
import { largeObjectRanges } from './special.ts';

const table: CatalogTable = {
  oid: 1,
  schema: 'public',
  name: 't',
  ancestors: [],
  columns: ['id', 'a"b'],
  types: ['integer', 'text'],
  generated: false,
  heap: true,
  unlogged: false,
  condition: '',
  readable: true,
  rowSecurity: false,
};
const megabyte = 1024 * 1024;
const plan = (change: Partial<CatalogTable & TableSize>, version = 150_000) =>
  planTable({ ...table, ...change }, { bytes: 0, totalBytes: 0, ...change }, version).chunks;
const sqlOf = (change: Partial<CatalogTable>) =>
  (plan(change)[0] as { how: Extract<How, { kind: 'copy' }> }).how.sql;

describe('the chunks of a table', () => {
  it('are one when it is small, empty, or not to be read by pages', () => {
    const large = { bytes: 500 * megabyte, totalBytes: 500 * megabyte };
    expect(plan({}).map((chunk) => chunk.path)).toEqual(['/public.t']);
    expect(plan({ ...large, heap: false })).toHaveLength(1);
    expect(plan({ ...large, condition: 'WHERE true' })).toHaveLength(1);
    expect(plan(large, 130_000)).toHaveLength(1);
  });

  it('are ranges that leave no page out, the last one open', () => {
    const chunks = plan({ bytes: 100 * megabyte, totalBytes: 100 * megabyte });
    expect(chunks.map((chunk) => chunk.path)).toEqual([
      '/public.t/@0-4095',
      '/public.t/@4096-8191',
      '/public.t/@8192-12287',
      '/public.t/@12288-',
    ]);
    expect(chunks.map((chunk) => (chunk.how as { sql: string }).sql.replace(/^.* WHERE /, ''))).toEqual([
      "ctid >= '(0,0)' AND ctid < '(4096,0)') TO STDOUT",
      "ctid >= '(4096,0)' AND ctid < '(8192,0)') TO STDOUT",
      "ctid >= '(8192,0)' AND ctid < '(12288,0)') TO STDOUT",
      "ctid >= '(12288,0)') TO STDOUT",
    ]);
    expect(chunks.reduce((sum, chunk) => sum + chunk.estimatedBytes, 0)).toBeCloseTo(100 * megabyte, -1);
  });

  it('are shorter ranges when much is kept out of line', () => {
    const chunks = plan({ bytes: 100 * megabyte, totalBytes: 3200 * megabyte });
    expect(chunks[0]?.path).toBe('/public.t/@0-127');
    expect(chunks).toHaveLength(100);
  });

  it('name partitions below their tables', () => {
    const ancestors = [
      ['public', 'events'],
      ['public', 'events.2026'],
    ] as const;
    expect(plan({ ancestors })[0]?.path).toBe('/public.events/public.events~2e2026/public.t');
  });

  it('are read with the columns that hold something, whatever they are called', () => {
    expect(sqlOf({})).toBe('COPY "public"."t" ("id", "a""b") TO STDOUT');
    expect(sqlOf({ columns: [], types: [] })).toBe('COPY "public"."t" TO STDOUT');
    expect(sqlOf({ columns: [], types: [], generated: true })).toBe(
      'COPY (SELECT  FROM ONLY "public"."t" ) TO STDOUT',
    );
    expect(sqlOf({ condition: 'WHERE id > 1' })).toBe(
      'COPY (SELECT "id", "a""b" FROM ONLY "public"."t" WHERE id > 1) TO STDOUT',
    );
  });
});

describe('the ranges of large objects', () => {
  const buckets = Array.from({ length: 40 }, (_, bucket) => ({ bucket: bucket + 16, count: 1000 }));

  it('are one when all is small', () => {
    expect(largeObjectRanges(buckets, 1000)).toEqual([{ from: 0, to: 2 ** 32 - 1, count: 40_000 }]);
  });

  it('are, in two plans, the same or one inside of the other', () => {
    const ranges = largeObjectRanges(buckets, 300 * megabyte);
    const fewer = largeObjectRanges(buckets.slice(8), 300 * megabyte);
    expect(ranges.length).toBeGreaterThanOrEqual(10);
    for (const { from, to } of ranges) expect(from % (to - from + 1)).toBe(0);
    const widths = [ranges, fewer].map(([first]) => (first?.to ?? 0) - (first?.from ?? 0) + 1);
    for (const width of widths) expect(Number.isInteger(Math.log2(width))).toBe(true);
    expect(ranges.reduce((sum, each) => sum + each.count, 0)).toBe(40_000);
  });
});

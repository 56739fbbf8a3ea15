import { describe, expect, test } from 'vitest';
import type { OpenSource, SourceHarness } from './source.ts';
import { codeOf, fullRows, never, openReader, printedRows, readChunk, readRows } from './source-reading.ts';

const signal = never;
const once = { type: 'logical', keepChanges: false, label: 'contract_view', signal } as const;

async function shop(open: OpenSource): Promise<SourceHarness> {
  const harness = await open();
  await harness.execute(
    'CREATE TABLE t (id integer PRIMARY KEY, name text)',
    'CREATE TABLE none (id integer PRIMARY KEY, name text)',
  );
  const values = Array.from({ length: 200 }, (_, id) => `(${id}, 'name ${id}')`);
  await harness.execute(`INSERT INTO t VALUES ${values.join(', ')}`);
  return harness;
}

/** One point in time, however many readers read it. */
export function describeViews(open: OpenSource): void {
  describe('a frozen view', () => {
    test('has every row of every table, and a chunk also for a table without rows', async () => {
      await using harness = await shop(open);
      const rows = await fullRows(harness.source);
      expect(printedRows(rows, harness.path('t'))).toEqual([...(await harness.rows('t'))].sort());
      expect(rows.get(harness.path('none'))).toMatchObject({ lines: [] });
      expect(rows.get(harness.path('t'))?.columns.map(({ name }) => name)).toEqual(['id', 'name']);
    });

    test('gives values as they are: empty, absent, quoted, and of any script', async () => {
      await using harness = await open();
      await harness.execute('CREATE TABLE t (id integer PRIMARY KEY, name text)');
      const texts = [
        '',
        '"',
        '\\',
        '\\N',
        '\\t',
        '\t',
        '\n',
        '\r\n',
        '{}',
        '[1,2]',
        'null',
        'é',
        '日本',
        '😀',
        "it''s",
        '\u0001\u007f\u2028',
      ];
      await harness.execute(
        `INSERT INTO t VALUES ${texts.map((text, id) => `(${id}, '${text}')`).join(', ')}, (99, NULL)`,
      );
      const rows = printedRows(await fullRows(harness.source), harness.path('t'));
      const expected = texts.map((text, id) => JSON.stringify([String(id), text.replaceAll("''", "'")]));
      expect(rows).toEqual([...expected, '["99",null]'].sort());
      expect([...(await harness.rows('t'))].sort()).toEqual(rows);
    });

    test('does not see what is committed after it was opened, through any reader', async () => {
      await using harness = await shop(open);
      const before = [...(await harness.rows('t'))].sort();
      await using view = await harness.source.openFull(once);
      await using early = await openReader(view);
      await harness.execute(
        "INSERT INTO t VALUES (1000, 'late')",
        'DELETE FROM t WHERE id = 3',
        "UPDATE t SET name = 'late' WHERE id = 4",
      );
      await using late = await openReader(view);
      for (const reader of [early, late]) {
        const lines: string[] = [];
        for (const plan of view.chunks.filter(({ kind, local }) => kind === 'rows' && !local))
          lines.push(...(await readChunk(reader, plan)));
        const path = harness.path('t');
        expect(printedRows(new Map([[path, { columns: [], lines }]]), path)).toEqual(before);
      }
    });

    test('blocks no writer while it is open and being read', async () => {
      await using harness = await shop(open);
      await using view = await harness.source.openFull(once);
      await using reader = await openReader(view);
      const plan = view.chunks.find(
        ({ kind, path }) => kind === 'rows' && path.startsWith(harness.path('t')),
      );
      if (!plan) throw new Error('no chunk of t');
      const blocks = reader.read(plan, { signal });
      await blocks.next();
      await harness.execute(
        "INSERT INTO t VALUES (1000, 'written')",
        "UPDATE t SET name = 'x' WHERE id = 1",
        'DELETE FROM t WHERE id = 2',
      );
      await blocks.return({ rows: 0 });
      expect(await harness.rows('t')).toHaveLength(200);
    });

    test('that is asked to keep nothing leaves nothing behind, also when it is let go half read', async () => {
      await using harness = await shop(open);
      const before = await harness.traces();
      await fullRows(harness.source);
      expect(await harness.traces()).toEqual(before);
      {
        await using view = await harness.source.openFull(once);
        await using reader = await openReader(view);
        const plan = view.chunks.find(({ kind, local }) => kind === 'rows' && !local);
        if (plan) await reader.read(plan, { signal }).next();
      }
      expect(await harness.traces()).toEqual(before);
    });

    test('that is aborted while it is read ends, and leaves nothing behind', async () => {
      await using harness = await shop(open);
      const before = await harness.traces();
      const stop = new AbortController();
      const reading = async (): Promise<void> => {
        await using view = await harness.source.openFull({ ...once, signal: stop.signal });
        for (const plan of view.chunks.filter(({ local }) => local)) await readChunk(view, plan);
        await using reader = await openReader(view);
        stop.abort();
        for (const plan of view.chunks.filter(({ local }) => !local))
          await readChunk(reader, plan, { signal: stop.signal });
      };
      expect(await codeOf(reading())).toBe('cancelled');
      expect(await harness.traces()).toEqual(before);
      expect(printedRows(await fullRows(harness.source), harness.path('t'))).toHaveLength(200);
    });

    test('tells which database it is of, and when it was', async () => {
      await using harness = await shop(open);
      const info = await harness.source.inspect({ signal });
      await using first = await harness.source.openFull(once);
      const { identity, type, name } = info;
      expect(first.source).toMatchObject({ identity, type, name });
      await first[Symbol.asyncDispose]();
      await harness.execute("INSERT INTO t VALUES (1000, 'later')");
      await using second = await harness.source.openFull(once);
      expect(second.mark.timeMs).toBeGreaterThanOrEqual(first.mark.timeMs);
      await readRows(second);
    });
  });
}

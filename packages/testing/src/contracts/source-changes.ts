import type { FrozenView, Mark, SettledChanges, Source } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import type { OpenSource, SourceHarness } from './source.ts';
import {
  advance,
  fullRows,
  never,
  type ReadChanges,
  type Rows,
  readChanges,
  readRows,
} from './source-reading.ts';

const signal = never;
const label = 'contract_chain';

interface Head {
  readonly rows: Rows;
  readonly mark: Mark;
  readonly state: unknown;
}

async function begin(source: Source): Promise<Head> {
  await using view = await source.openFull({ type: 'logical', keepChanges: true, label, signal });
  return headOf(view, await readRows(view));
}

/** As it is stored: as JSON. */
function headOf({ mark, state }: FrozenView, rows: Rows): Head {
  return { rows, mark, state: JSON.parse(JSON.stringify(state)) as unknown };
}

interface Step {
  readonly head: Head;
  readonly changes: ReadChanges;
  readonly settled: Pick<SettledChanges, 'replaced' | 'dropped' | 'changed'>;
}

/** Reads an incremental; nothing is acknowledged. */
async function step(
  source: Source,
  { rows, mark, state }: Head,
  settling?: () => Promise<void>,
): Promise<Step> {
  await using view = await source.openIncremental({ since: mark, state, label, signal });
  const changes = await readChanges(view);
  const settled = await view.settle({ signal });
  await settling?.();
  const { replaced, dropped, changed } = settled;
  const head = headOf(settled.view, await advance(rows, changes, settled));
  await settled.view[Symbol.asyncDispose]();
  return { head, changes, settled: { replaced, dropped, changed } };
}

/** The rows of each relation, whole and sorted: also their texts must be those that a full gives. */
function content(rows: Rows): Record<string, string[]> {
  const all = [...rows].map(([path, { lines }]): [string, string[]] => [path, [...lines].sort()]);
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function expectSame(harness: SourceHarness, head: Head): Promise<void> {
  expect(content(head.rows)).toEqual(content(await fullRows(harness.source)));
}

async function shop(open: OpenSource): Promise<SourceHarness> {
  const harness = await open();
  await harness.execute(
    'CREATE TABLE t (id integer PRIMARY KEY, name text)',
    'CREATE TABLE keyless (name text)',
  );
  await harness.execute(
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, NULL)",
    "INSERT INTO keyless VALUES ('a'), ('a')",
  );
  await harness.source.prepare({ signal });
  return harness;
}

/** The rows of a full, changed by all changes up to a mark, are the rows of the source at that mark. */
export function describeChanges(open: OpenSource): void {
  describe('an incremental', () => {
    test('has nothing when nothing changed', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      const { settled, changes, head: next } = await step(harness.source, head);
      expect(changes.lines).toEqual([]);
      expect(settled).toEqual({ replaced: [], dropped: [], changed: false });
      await expectSame(harness, next);
    });

    test('has every change of rows and of keys, over several incrementals', async () => {
      await using harness = await shop(open);
      let head = await begin(harness.source);
      const rounds = [
        [
          "INSERT INTO t VALUES (10, 'ten'), (11, NULL)",
          "UPDATE t SET name = 'uno' WHERE id = 1",
          'DELETE FROM t WHERE id = 2',
        ],
        [
          'UPDATE t SET id = 20 WHERE id = 10',
          "INSERT INTO t VALUES (10, 'again')",
          'UPDATE t SET name = NULL WHERE id = 3',
        ],
        [
          'UPDATE t SET id = 99 WHERE id = 1',
          'UPDATE t SET id = 1 WHERE id = 3',
          'UPDATE t SET id = 3 WHERE id = 99',
        ],
        ['DELETE FROM t', "INSERT INTO t VALUES (1, 'é \"\\ 😀')"],
        ["INSERT INTO t VALUES (5, 'brief')", 'DELETE FROM t WHERE id = 5'],
      ];
      for (const round of rounds) {
        await harness.execute(...round);
        const next = await step(harness.source, head);
        expect(next.settled).toMatchObject({ changed: true, dropped: [] });
        head = next.head;
        await expectSame(harness, head);
        await harness.source.acknowledge({ state: head.state, mark: head.mark, signal });
      }
    });

    test('has what was committed after the full was opened, and nothing that was rolled back', async () => {
      await using harness = await shop(open);
      await using view = await harness.source.openFull({ type: 'logical', keepChanges: true, label, signal });
      await harness.execute("INSERT INTO t VALUES (50, 'while the full is read')");
      const head = headOf(view, await readRows(view));
      await view[Symbol.asyncDispose]();
      await expect(
        harness.execute("INSERT INTO t VALUES (51, 'lost')", "INSERT INTO t VALUES (1, 'taken')"),
      ).rejects.toThrow();
      const { head: next } = await step(harness.source, head);
      await expectSame(harness, next);
      expect(JSON.stringify(content(next.rows))).not.toContain('lost');
    });

    test('opened twice gives the same, and forgets nothing that was not acknowledged', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await harness.execute("INSERT INTO t VALUES (10, 'ten')");
      const first = await step(harness.source, head);
      await harness.execute("INSERT INTO t VALUES (11, 'eleven')");
      const second = await step(harness.source, head);
      await expectSame(harness, second.head);
      expect(second.changes.lines.length).toBeGreaterThanOrEqual(first.changes.lines.length);
      await harness.source.acknowledge({ state: first.head.state, mark: first.head.mark, signal });
      // Once more, as whenever in doubt.
      await harness.source.acknowledge({ state: first.head.state, mark: first.head.mark, signal });
      await expectSame(harness, (await step(harness.source, first.head)).head);
    });

    test('ends exactly where its view is: what is committed later is in neither, and in the next one', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await harness.execute("INSERT INTO t VALUES (10, 'ten')", "INSERT INTO keyless VALUES ('b')");
      const expected = content(await fullRows(harness.source));
      const { head: next } = await step(harness.source, head, () =>
        harness.execute("INSERT INTO t VALUES (11, 'late')", "INSERT INTO keyless VALUES ('late')"),
      );
      expect(content(next.rows)).toEqual(expected);
      await expectSame(harness, (await step(harness.source, next)).head);
    });

    test('brings tables without a key, new and altered ones whole, and says which are gone', async () => {
      await using harness = await shop(open);
      await harness.execute(
        'CREATE TABLE gone (id integer PRIMARY KEY, name text)',
        'CREATE TABLE altered (id integer PRIMARY KEY, name text)',
      );
      await harness.execute(
        "INSERT INTO altered VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO gone VALUES (1, 'a')",
      );
      await harness.source.prepare({ signal });
      const head = await begin(harness.source);
      await harness.execute(
        "INSERT INTO keyless VALUES ('c')",
        "INSERT INTO gone VALUES (2, 'b')",
        "UPDATE altered SET name = 'x' WHERE id = 1",
      );
      await harness.execute('ALTER TABLE altered ADD COLUMN more text');
      await harness.execute("INSERT INTO altered VALUES (3, 'c', 'more')", 'DROP TABLE gone');
      await harness.execute('CREATE TABLE fresh (id integer PRIMARY KEY, name text)');
      await harness.execute("INSERT INTO fresh VALUES (1, 'a')");
      const { settled, head: next } = await step(harness.source, head);
      await expectSame(harness, next);
      expect(settled.dropped).toContain(harness.path('gone'));
      for (const table of ['keyless', 'altered', 'fresh'])
        expect(next.rows.has(harness.path(table)), table).toBe(true);
      // And it goes on from there.
      await harness.source.prepare({ signal });
      await harness.execute("INSERT INTO altered VALUES (4, 'd', NULL)", "INSERT INTO fresh VALUES (2, 'b')");
      await expectSame(harness, (await step(harness.source, next)).head);
    });

    test('knows nothing of a table that was made and dropped in between', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await harness.execute('CREATE TABLE brief (id integer PRIMARY KEY, name text)');
      await harness.execute("INSERT INTO brief VALUES (1, 'a')");
      await harness.execute('DROP TABLE brief', "INSERT INTO t VALUES (10, 'ten')");
      const { head: next } = await step(harness.source, head);
      await expectSame(harness, next);
    });

    test('knows a table that was dropped and made again as another one', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await harness.execute("UPDATE t SET name = 'old' WHERE id = 1");
      await harness.execute('DROP TABLE t');
      await harness.execute('CREATE TABLE t (id integer PRIMARY KEY, name text)');
      await harness.execute("INSERT INTO t VALUES (7, 'new')");
      await expectSame(harness, (await step(harness.source, head)).head);
    });

    test('is made of whole transactions in the order of their commits, with position and time', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await harness.execute("INSERT INTO t VALUES (10, 'ten')", "INSERT INTO t VALUES (11, 'eleven')");
      await harness.execute("UPDATE t SET name = 'x' WHERE id = 10");
      const { changes, head: next } = await step(harness.source, head);
      const lines = changes.lines.map((line) => JSON.parse(line) as [string, ...unknown[]]);
      const declared = new Map<unknown, string>();
      const counts: Record<string, number> = {};
      let inside = false;
      for (const [verb, number, path] of lines) {
        if (verb === 'relation') declared.set(number, path as string);
        else if (verb === 'begin' || verb === 'commit') {
          expect(inside).toBe(verb === 'commit');
          inside = verb === 'begin';
          if (verb === 'commit') expect(path as number).toBeLessThanOrEqual(next.mark.timeMs);
        } else {
          expect(inside, `${verb} outside a transaction`).toBe(true);
          const name = declared.get(number) ?? 'not declared';
          counts[name] = (counts[name] ?? 0) + 1;
        }
      }
      expect(inside).toBe(false);
      expect(changes.tables).toEqual(counts);
    });
  });

  describe('the keeping of changes', () => {
    test('ends when it is told to, by label and by state, and continuity is lost then', async () => {
      for (const by of ['label', 'state'] as const) {
        await using harness = await shop(open);
        const before = await harness.traces();
        const head = await begin(harness.source);
        await harness.source.forgetChanges({
          signal,
          ...(by === 'label' ? { label } : { state: head.state }),
        });
        expect(await harness.traces(), by).toEqual(before);
        await harness.execute("INSERT INTO t VALUES (10, 'ten')");
        const opening = harness.source.openIncremental({
          since: head.mark,
          state: head.state,
          label,
          signal,
        });
        await expect(opening).rejects.toMatchObject({
          code: 'precondition_failed',
          reason: expect.stringMatching(/^continuity lost/),
        });
        // Nothing is there any more: no error.
        await harness.source.forgetChanges({ signal, label });
        await harness.source.forgetChanges({ signal, state: head.state });
      }
    });

    test('of one chain outlives that of another', async () => {
      await using harness = await shop(open);
      const head = await begin(harness.source);
      await using other = await harness.source.openFull({
        type: 'logical',
        keepChanges: true,
        label: 'contract_other',
        signal,
      });
      await other[Symbol.asyncDispose]();
      await harness.execute("INSERT INTO t VALUES (10, 'ten')");
      await harness.source.forgetChanges({ signal, label: 'contract_other' });
      await expectSame(harness, (await step(harness.source, head)).head);
    });
  });
}

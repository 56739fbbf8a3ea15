/** Random histories of a database, as plain data that shrinks, and how they are lived through. */
import { bigType, type MemoryDatabase, type MemoryRow, type MemoryTransaction } from '@holdfast/testing';
import fc from 'fast-check';

const paths = ['/p.a', '/p.ab', '/p.b', '/p.e/p.e_1', '/p.e/p.e_2', '/p.f~2eg'];
/** JSON texts that are easily mistaken for one another, or for the syntax around them. */
const ids = ['"a"', '"a,b"', '"\\""', '"\\\\"', '1', '1.0', '"1"', '"é"', '9223372036854775807', '"{}"'];
const values = ['null', '""', '"{}"', '"x]"', '"\\\\\\"}"', '0', '-1.50', '"\\u0007"', '{"b":"00,}"}', '"ü"'];
const bigs = ['"big one"', '"big two"', 'null', '"\\"{"'];

const pick = (count: number): fc.Arbitrary<number> => fc.nat({ max: count - 1 });
/** The first ones most of the time, so that what happens to a table comes together. */
const table = fc.oneof({ weight: 4, arbitrary: pick(2) }, { weight: 2, arbitrary: pick(paths.length) });
const row = fc.record({
  id: pick(ids.length),
  part: pick(3),
  value: pick(values.length),
  big: pick(bigs.length),
});

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), table, row }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      table,
      at: fc.nat(20),
      row,
      keep: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rekey' as const), table, at: fc.nat(20), row }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), table, at: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('swap' as const), table, at: fc.nat(20), with: fc.nat(20) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), table }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 6 }),
      /** Commits are not ordered by their times in every database. */
      jitterMs: fc.integer({ min: -2500, max: 2500 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('create' as const),
      table,
      keys: fc.constantFrom(1, 1, 2, 2, 0),
      by: fc.constantFrom('log' as const, 'log' as const, 'log' as const, 'compare' as const),
      rows: fc.array(row, { maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), table }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('alter' as const), table, value: pick(values.length) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sequence' as const), value: fc.nat(9) }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A full of the tables, and then an incremental after each round. */
export const history = fc.record({
  tables: fc.array(
    fc.record({
      keys: fc.constantFrom(1, 1, 2, 2, 0),
      by: fc.constantFrom('log' as const, 'log' as const, 'log' as const, 'compare' as const),
      rows: fc.array(row, { maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  rounds: fc.array(
    fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
      /** A moment inside the incremental, as a share of the time that it covers. */
      moment: fc.nat(100),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  blockBytes: fc.constantFrom(1, 3, 17, 100, 65_536),
  chunkRows: fc.constantFrom(1, 2, 3, 1000),
});

export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

/** Does one step; what it cannot do in the database as it is, it leaves out. */
export function live(database: MemoryDatabase, one: Step): void {
  if (one.kind === 'sequence') {
    database.sequences.set('s', one.value);
    return;
  }
  if (one.kind === 'commit') {
    const timeMs = database.nowMs + 1000 + one.jitterMs;
    database.transaction(
      (t) => {
        for (const more of one.operations) operate(t, more);
      },
      { timeMs },
    );
    return;
  }
  const path = paths[one.table] ?? '';
  const there = database.tables.has(path);
  if (one.kind === 'drop' && there) database.dropTable(path);
  if (one.kind === 'alter' && there)
    database.addColumn(path, { name: `more${database.position}`, type: 'text' }, values[one.value] ?? 'null');
  if (one.kind !== 'create' || there) return;
  const columns = ['value', 'id', { name: 'big', type: bigType }, 'part'];
  // Not in the order of the columns, so that the two are not mistaken for each other.
  const key = ['part', 'id'].slice(2 - one.keys);
  database.createTable(path, { columns, key, by: one.by });
  database.transaction((t) => {
    for (const more of one.rows) operate(t, { kind: 'insert', table: one.table, row: more });
  });
}

function operate(t: MemoryTransaction, one: Operation): void {
  const path = paths[one.table] ?? '';
  const found = t.tables.get(path);
  if (!found) return;
  const rows = [...found.rows.values()];
  const keyless = found.key.length === 0;
  const keyAt = found.key.map((name) => found.columns.findIndex((column) => column.name === name));
  const keyOf = (row: MemoryRow): MemoryRow => (keyless ? row : keyAt.map((at) => row[at] ?? ''));
  const taken = (row: MemoryRow): boolean =>
    !keyless && rows.some((other) => keyOf(other).join() === keyOf(row).join());
  const make = (from: { id: number; part: number; value: number; big: number }): string[] =>
    found.columns.map(({ name }) => {
      if (name === 'id') return ids[from.id] ?? '';
      if (name === 'part') return String(from.part);
      if (name === 'big') return bigs[from.big] ?? '';
      return values[from.value] ?? '';
    });
  if (one.kind === 'truncate') t.truncate(path);
  if (one.kind === 'insert' && !taken(make(one.row))) t.insert(path, make(one.row));
  if (one.kind === 'truncate' || one.kind === 'insert' || rows.length === 0) return;
  const old = rows[one.at % rows.length] ?? [];
  if (one.kind === 'delete') t.delete(path, keyOf(old));
  if (one.kind === 'update') {
    const bigAt = found.columns.findIndex(({ name }) => name === 'big');
    const next = make(one.row).map((value, at) =>
      keyAt.includes(at) || (one.keep && at === bigAt) ? (old[at] ?? '') : value,
    );
    t.update(path, keyOf(old), next);
  }
  if (one.kind === 'rekey') {
    const from = make(one.row);
    const next = old.map((value, at) => (keyAt.includes(at) ? (from[at] ?? '') : value));
    if (!keyless && !taken(next)) t.update(path, keyOf(old), next);
  }
  if (one.kind === 'swap') swap(t, path, { old, other: rows[one.with % rows.length] ?? [], keyAt });
}

/** Two rows exchange their keys by way of a third one; what is big stays with its row. */
function swap(
  t: MemoryTransaction,
  path: string,
  o: { readonly old: MemoryRow; readonly other: MemoryRow; readonly keyAt: readonly number[] },
): void {
  const { old, other, keyAt } = o;
  if (keyAt.length === 0 || old === other) return;
  const keyOf = (row: MemoryRow): MemoryRow => keyAt.map((at) => row[at] ?? '');
  const under = (row: MemoryRow, key: MemoryRow): MemoryRow =>
    row.map((value, at) => (keyAt.includes(at) ? (key[keyAt.indexOf(at)] ?? '') : value));
  const third = keyAt.map(() => '"third"');
  t.update(path, keyOf(old), under(old, third));
  t.update(path, keyOf(other), under(other, keyOf(old)));
  t.update(path, third, under(old, keyOf(other)));
}

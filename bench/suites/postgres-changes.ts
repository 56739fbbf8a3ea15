import type { BenchServer } from '../harness/bench-server.ts';

export type Pattern = 'contiguous' | 'scattered';

/** Which rows change in each table, and how; `id` is the column that they are chosen by. */
const updates = [
  { table: 'pgbench_accounts', id: 'aid', set: 'abalance = abalance + 1' },
  {
    table: 'documents',
    id: 'id',
    set: `rating = coalesce(rating, 0) + 0.5, doc = doc || '{"edited": true}'`,
  },
  { table: 'measurements', id: 'id', set: 'amount = amount + 1, level = level / 2' },
] as const;

/** Changes one row in a hundred of each large table, other ones for each turn up to the hundredth; returns how many. */
export async function changeOnePercent(
  server: BenchServer,
  database: string,
  { pattern, turn }: { pattern: Pattern; turn: number },
): Promise<number> {
  const part = turn % 100;
  const statements = updates.map(({ table, id, set }) => {
    const rows = server.facts.tables[table] ?? 0;
    const chosen =
      pattern === 'scattered'
        ? `${id} % 100 = ${part}`
        : `${id} > ${Math.floor((rows * part) / 100)} AND ${id} <= ${Math.floor((rows * (part + 1)) / 100)}`;
    return `WITH changed AS (UPDATE ${table} SET ${set} WHERE ${chosen} RETURNING 1) SELECT count(*) FROM changed;`;
  });
  const counts = await server.sql(database, statements.join('\n'));
  return counts.split('\n').reduce((sum, each) => sum + Number(each), 0);
}

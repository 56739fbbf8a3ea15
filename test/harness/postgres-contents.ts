import type { PostgresServer } from '@holdfast/testing';
import pg from 'pg';

/** Every row of every table, as text (a long one as its hash), sorted: what equal databases agree on. */
export type Contents = ReadonlyMap<string, readonly string[]>;

/** Of a database that nobody writes to: each table is read for itself. */
export async function contentsOf(server: PostgresServer, database: string): Promise<Contents> {
  const client = new pg.Client({ connectionString: server.url(database) });
  await client.connect();
  try {
    await client.query(`SET DateStyle TO ISO; SET TimeZone TO UTC; SET extra_float_digits TO 3; SET bytea_output TO hex;
      SET search_path TO ''`);
    const tables = await client.query<{ name: string }>(`
      SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      ORDER BY 1`);
    const contents = new Map<string, string[]>();
    for (const { name } of tables.rows) {
      const rows = await client.query<{ row: string }>({
        text: `SELECT CASE WHEN length(t::text) > 1000000 THEN md5(t::text) ELSE t::text END AS row
                 FROM ONLY ${name} t ORDER BY 1`,
      });
      contents.set(
        name,
        rows.rows.map(({ row }) => row),
      );
    }
    return contents;
  } finally {
    await client.end();
  }
}

/** Rows that one of two databases has and the other has not, shortened; empty when they are equal. */
export function differences(found: Contents, expected: Contents): string[] {
  const said: string[] = [];
  for (const table of new Set([...found.keys(), ...expected.keys()])) {
    const [has, wants] = [found.get(table), expected.get(table)];
    if (!has || !wants) {
      said.push(`${table}: ${has ? 'not expected' : 'missing'}`);
      continue;
    }
    const extra = without(has, wants).map((row) => `${table}: has ${row.slice(0, 80)}`);
    const missing = without(wants, has).map((row) => `${table}: lacks ${row.slice(0, 80)}`);
    said.push(...extra.slice(0, 5), ...missing.slice(0, 5));
  }
  return said;
}

function without(rows: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const row of others) left.set(row, (left.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const count = left.get(row) ?? 0;
    left.set(row, count - 1);
    return count <= 0;
  });
}

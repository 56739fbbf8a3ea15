import { DatabaseSync } from 'node:sqlite';

/** Tables that Holdfast keeps in a prepared database are no part of its content. */
const foreign = `name NOT LIKE 'holdfast\\_%' ESCAPE '\\'`;

/** Every row of every table, each value with its storage class, sorted: what two files must agree on to be equal. */
export function sqliteContents(file: string): Readonly<Record<string, readonly string[]>> {
  using database = new DatabaseSync(file, { readOnly: true });
  const tables = database
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND ${foreign} ORDER BY name`)
    .all() as { name: string }[];
  const contents: Record<string, string[]> = {};
  for (const { name } of tables) {
    const columns = (
      database.prepare(`SELECT name FROM pragma_table_info(?)`).all(name) as { name: string }[]
    ).map((column) => quote(column.name));
    const row = columns.map((column) => `typeof(${column}) || ' ' || quote(${column})`).join(` || ', ' || `);
    const rows = database.prepare(`SELECT ${row} AS row FROM ${quote(name)} ORDER BY 1`).all() as {
      row: string;
    }[];
    contents[name] = rows.map((one) => one.row);
  }
  // Where AUTOINCREMENT goes on is content as well; that of our own tables is not.
  return contents;
}

/** Every statement of the schema, ours included, sorted. */
export function sqliteSchema(file: string): readonly string[] {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all() as {
    type: string;
    name: string;
    sql: string | null;
  }[];
  return rows.map(({ type, name, sql }) => `${type} ${name}: ${sql}`);
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

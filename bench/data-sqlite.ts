import { readFile, rm, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type Scale, scales } from './data-postgres.ts';
import type { Workspace } from './harness/workspace.ts';
import {
  countsOf,
  deviceColumns,
  devices,
  documentColumns,
  documents,
  measurementColumns,
  measurements,
  Random,
  type Value,
} from './rows.ts';

/** Raise it when the data changes: what was kept is made anew. */
const dataVersion = 1;

export interface SqliteData {
  readonly file: string;
  readonly tables: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly bytes: number;
}

const tablesSql = `
  CREATE TABLE devices (id INTEGER PRIMARY KEY, name TEXT NOT NULL, serial TEXT NOT NULL) STRICT;
  CREATE TABLE documents (id INTEGER PRIMARY KEY, author INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    doc TEXT NOT NULL, rating REAL, created_at TEXT NOT NULL);
  CREATE TABLE measurements (id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES devices, digest TEXT NOT NULL,
    amount NUMERIC NOT NULL, level REAL NOT NULL, at TEXT NOT NULL, payload TEXT NOT NULL, note TEXT);
  CREATE TABLE attachments (name TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE accounts (id INTEGER PRIMARY KEY, branch INTEGER, balance INTEGER, filler TEXT);
`;

const indexesSql = `
  CREATE INDEX documents_author ON documents (author);
  CREATE INDEX measurements_device_at ON measurements (device, at);
`;

/** A database file of 1 GB at full scale; it is made when the workspace does not hold it yet. Copy it to change it. */
export async function openSqlite(
  workspace: Workspace,
  { scale, log }: { scale: Scale; log: (line: string) => void },
): Promise<SqliteData> {
  const file = workspace.kept(`sqlite-${scale}.db`);
  const factsFile = `${file}.json`;
  const known = JSON.parse(await readFile(factsFile, 'utf8').catch(() => '{}')) as { version?: number };
  if (known.version !== dataVersion) {
    for (const path of [factsFile, file, `${file}-wal`, `${file}-shm`]) await rm(path, { force: true });
    log(`making sqlite-${scale} …`);
    make(file, scales[scale]);
    await writeFile(factsFile, JSON.stringify({ version: dataVersion, tables: countTables(file) }));
  }
  const { tables } = JSON.parse(await readFile(factsFile, 'utf8')) as Pick<SqliteData, 'tables'>;
  const rows = Object.values(tables).reduce((sum, each) => sum + each, 0);
  using database = new DatabaseSync(file, { readOnly: true });
  const size = database.prepare(
    'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size',
  );
  return { file, tables, rows, bytes: Number(size.get()?.bytes) };
}

/** The rows of each table of a database file. */
export function countTables(file: string): Record<string, number> {
  using database = new DatabaseSync(file, { readOnly: true });
  const names = database.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`,
  );
  return Object.fromEntries(
    names
      .all()
      .map(({ name }) => String(name))
      .sort()
      .map((name) => [name, Number(database.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.n)]),
  );
}

/** Fails unless a database file has as many rows in each table as the data. */
export function checkTables(file: string, data: SqliteData): void {
  const found = JSON.stringify(countTables(file));
  if (found !== JSON.stringify(data.tables)) {
    throw new Error(`${file} has ${found} rows instead of ${JSON.stringify(data.tables)}`);
  }
}

function make(file: string, factor: number): void {
  const counts = countsOf(factor);
  using database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = off; ${tablesSql}`);
  const fill = (table: string, columns: readonly string[], rows: Iterable<(Value | Uint8Array)[]>): void => {
    const places = columns.map(() => '?').join(', ');
    const insert = database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places})`);
    database.exec('BEGIN');
    for (const row of rows) insert.run(...row);
    database.exec('COMMIT');
  };
  fill('devices', deviceColumns, devices(counts.devices));
  fill('documents', documentColumns, documents(counts.documents));
  fill('measurements', measurementColumns, measurements(counts.measurements, counts.devices));
  fill('attachments', ['name', 'content'], attachments(Math.round(30_000 * factor)));
  fill('accounts', ['id', 'branch', 'balance', 'filler'], accounts(Math.round(1_500_000 * factor)));
  database.exec(`${indexesSql} ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)`);
}

/** Random bytes of all lengths up to 8 KB, longer than a page among them. */
function* attachments(count: number): Generator<(Value | Uint8Array)[]> {
  const random = new Random(4);
  for (let n = 0; n < count; n++) {
    const content = new Uint32Array(random.below(2_048)).map(() => random.bits());
    yield [`${random.hex(2)}-${n}.bin`, new Uint8Array(content.buffer)];
  }
}

/** As pgbench makes them. */
function* accounts(count: number): Generator<Value[]> {
  const filler = ' '.repeat(84);
  for (let id = 1; id <= count; id++) yield [id, 1 + Math.floor(id / 100_000), 0, filler];
}

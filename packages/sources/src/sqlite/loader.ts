import { DatabaseSync } from 'node:sqlite';
import {
  type ChunkHeader,
  type ChunkLoader,
  decodeName,
  HoldfastError,
  relationOf,
  type Sig,
} from '@holdfast/core';
import { translate } from './errors.ts';
import { quoteName } from './names.ts';
import { RowInserter } from './row-inserter.ts';
import { RowStream } from './row-stream.ts';

export interface LoaderData {
  /** The files in the making, by the name that their database has in chunk paths. */
  readonly databases: Readonly<Record<string, string>>;
  /** Where rows wait that can only be put in place at the end. */
  readonly workPath: string;
  /** For `openReader`: the same files, in the order of the names. */
  readonly files: readonly string[];
}

/** A connection to a database in the making: nothing needs to survive a crash, so nothing is journalled or synced. */
export function openBuild(path: string): DatabaseSync {
  const db = new DatabaseSync(path, {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
    // Shadow tables of virtual tables are filled directly.
    defensive: false,
  });
  db.exec(
    'PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; PRAGMA ignore_check_constraints=ON; PRAGMA locking_mode=NORMAL',
  );
  return db;
}

/** `/main.orders/@0-99` -> the database `main`, the table `orders`. */
export function relationNames(path: string): { database: string; table: string } {
  const part = relationOf(path).slice(1);
  const dot = part.indexOf('.');
  return { database: decodeName(part.slice(0, dot)), table: decodeName(part.slice(dot + 1)) };
}

export class TableLoader implements ChunkLoader {
  readonly #data: LoaderData;
  readonly #connections = new Map<string, DatabaseSync>();

  constructor(data: LoaderData) {
    this.#data = data;
  }

  async load(
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    o: Sig & { readonly id: string },
  ): Promise<{ readonly rows: number }> {
    o.signal.throwIfAborted();
    const { database, table } = relationNames(header.chunk);
    const waits = table === 'sqlite_sequence';
    const db = waits ? this.#work(database) : this.#connection(database);
    const target = waits ? `sequence_${database}` : table;
    try {
      return { rows: await insertRows(db, target, header, blocks, o) };
    } catch (caught) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw translate(caught, `cannot load ${header.chunk}`);
    }
  }

  #connection(database: string): DatabaseSync {
    const known = this.#connections.get(database);
    if (known) return known;
    const path = this.#data.databases[database];
    if (path === undefined) {
      throw new HoldfastError('config_invalid', `the target has no place for the database \`${database}\``, {
        hint: `add \`attach=${database}:path\` to the target's URL`,
      });
    }
    const db = openBuild(path);
    this.#connections.set(database, db);
    return db;
  }

  /** Loading rows changes sqlite_sequence by itself, so what it has to be in the end waits aside. */
  #work(database: string): DatabaseSync {
    const known = this.#connections.get('');
    const db = known ?? openBuild(this.#data.workPath);
    this.#connections.set('', db);
    db.exec(`CREATE TABLE IF NOT EXISTS ${quoteName(`sequence_${database}`)}(name, seq)`);
    return db;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const db of this.#connections.values()) db.close();
    this.#connections.clear();
  }
}

export async function insertRows(
  db: DatabaseSync,
  table: string,
  header: ChunkHeader,
  blocks: AsyncIterable<Uint8Array>,
  o: Sig,
): Promise<number> {
  const inserter = new RowInserter(
    db,
    table,
    header.columns.map((column) => column.name),
  );
  const stream = new RowStream();
  const before = totalChanges(db);
  const take = (bytes: Uint8Array, start: number, end: number): void => inserter.add(bytes, start, end);
  db.exec('BEGIN');
  for await (const block of blocks) {
    o.signal.throwIfAborted();
    inserter.begin();
    stream.push(block, take);
  }
  stream.end();
  inserter.flush();
  db.exec('COMMIT');
  return totalChanges(db) - before;
}

export function totalChanges(db: DatabaseSync): number {
  return Number((db.prepare('SELECT total_changes() AS n').get() as { n: number }).n);
}

import { closeSync, openSync, writeSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { decodeName, HoldfastError, type ImageChange, type SchemaStatement, type Sig } from '@holdfast/core';
import { applyChanges } from './image-changes.ts';
import { insertRows, openBuild, relationNames } from './loader.ts';
import { isOwnTable, isOwnTrigger, quoteName } from './names.ts';
import { objectOf, schemaStatements } from './schema-chunk.ts';
import { readTar } from './tar.ts';
import { applyProperties, createRest, statementsOf } from './target-schema.ts';

/** Member names in the archive. */
export function memberName(database: string): string {
  return `${database}.db`;
}

/** The databases of an image in the making, and the incrementals that are applied to them in place. */
export class ImageBuild {
  readonly #databases = new Map<string, ImageDatabase>();

  /** Unpacks the archive, each member to its place. */
  static async receive(
    blocks: AsyncIterable<Uint8Array>,
    places: ReadonlyMap<string, string>,
    o: Sig,
  ): Promise<ImageBuild> {
    const build = new ImageBuild();
    let fd: number | undefined;
    const header = Buffer.alloc(20);
    let headerFilled = 0;
    let database: ImageDatabase | undefined;
    try {
      await readTar(
        blocks,
        {
          open: (name) => {
            const memberOf = name.replace(/\.db$/, '');
            const place = places.get(memberOf);
            if (place === undefined) {
              throw new HoldfastError(
                'config_invalid',
                `the image holds the attached database \`${memberOf}\``,
                {
                  hint: `add \`attach=${memberOf}:path\` to the target's URL`,
                },
              );
            }
            database = new ImageDatabase(place);
            build.#databases.set(memberOf, database);
            headerFilled = 0;
            fd = openSync(place, 'w', 0o600);
          },
          write: (bytes) => {
            if (headerFilled < header.length) {
              const part = bytes.subarray(0, header.length - headerFilled);
              header.set(part, headerFilled);
              headerFilled += part.length;
            }
            for (let at = 0; at < bytes.length; ) at += writeSync(fd as number, bytes, at);
          },
          close: () => {
            // The write version of the file format is 2 in WAL mode.
            if (database) database.wal = headerFilled === header.length && header[18] === 2;
            closeSync(fd as number);
            fd = undefined;
          },
        },
        o.signal,
      );
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    for (const name of places.keys()) {
      if (build.#databases.has(name)) continue;
      throw new HoldfastError('config_invalid', `the image holds no database \`${name}\``, {
        hint: `remove \`attach=${name}:…\` from the target's URL`,
      });
    }
    return build;
  }

  async apply(change: ImageChange, o: Sig): Promise<void> {
    if (change.kind === 'schema') {
      for (const [name, database] of this.#databases) database.take(statementsOf(change.schema, name));
    } else if (change.kind === 'clear') {
      const { database, table } = relationNames(change.path);
      this.#of(database).clear(table, change.path);
    } else if (change.kind === 'rows') {
      const { database, table } = relationNames(change.header.chunk);
      const target = this.#of(database).tableFor(table);
      const db = this.#of(database).db;
      await insertRows(db, target, change.header, change.blocks, o);
    } else {
      await applyChanges(change.lines, (path) => this.#target(path), o);
    }
  }

  #target(path: string): { db: DatabaseSync; table: string } {
    const { database, table } = relationNames(path);
    return { db: this.#of(database).db, table };
  }

  #of(name: string): ImageDatabase {
    const database = this.#databases.get(name);
    if (!database) throw new HoldfastError('not_found', `the image has no database \`${name}\``);
    return database;
  }

  finish(name: string): void {
    this.#of(name).finish();
  }

  isWal(name: string): boolean {
    return this.#of(name).wal;
  }

  close(): void {
    for (const database of this.#databases.values()) database.close();
  }
}

const sequenceCopy = 'temp.holdfast_sequence';

class ImageDatabase {
  /** Whether the image says that it is in WAL mode; while it is built it is not. */
  wal = false;
  readonly #path: string;
  #db: DatabaseSync | undefined;
  /** What must exist in the end; undefined while the image is as it came. */
  #goal: readonly SchemaStatement[] | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Open for changes: without triggers, which would fire, and virtual tables, which would guard their content. */
  get db(): DatabaseSync {
    if (!this.#db) {
      this.#db = openBuild(this.#path);
      this.#dropOwn(this.#db);
    }
    if (!this.#goal) {
      this.#goal = schemaStatements(this.#db, 'main');
      this.#strip(this.#db);
    }
    return this.#db;
  }

  #dropOwn(db: DatabaseSync): void {
    const own = db
      .prepare("SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'table')")
      .all() as {
      type: string;
      name: string;
    }[];
    for (const { type, name } of own) {
      if (type === 'trigger' && isOwnTrigger(name)) db.exec(`DROP TRIGGER ${quoteName(name)}`);
    }
    for (const { type, name } of own) {
      if (type === 'table' && isOwnTable(name)) db.exec(`DROP TABLE ${quoteName(name)}`);
    }
  }

  #strip(db: DatabaseSync): void {
    const objects = db
      .prepare("SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view')")
      .all() as {
      type: string;
      name: string;
    }[];
    for (const { type, name } of objects.filter((one) => one.type === 'trigger')) {
      db.exec(`DROP ${type} ${quoteName(name)}`);
    }
    for (const { type, name } of objects.filter((one) => one.type === 'view')) {
      db.exec(`DROP ${type} ${quoteName(name)}`);
    }
    db.exec('PRAGMA writable_schema=ON');
    db.exec("DELETE FROM sqlite_schema WHERE type = 'table' AND rootpage = 0");
    db.exec('PRAGMA writable_schema=RESET');
    db.exec(`CREATE TABLE ${sequenceCopy}(name, seq)`);
    if (this.#has(db, 'sqlite_sequence')) {
      db.exec(
        `INSERT INTO ${sequenceCopy}(rowid, name, seq) SELECT rowid, name, seq FROM main.sqlite_sequence`,
      );
    }
  }

  #has(db: DatabaseSync, table: string): boolean {
    return (
      db.prepare("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?").get(table) !==
      undefined
    );
  }

  /** A new schema: tables that differ are made anew (their rows come), indexes that differ are made in the end. */
  take(schema: readonly SchemaStatement[]): void {
    const db = this.db;
    const wanted = new Map(schema.map((one) => [`${one.type} ${decodeName(objectOf(one))}`, one.text]));
    for (const now of schemaStatements(db, 'main')) {
      const name = decodeName(objectOf(now));
      if (now.section === 'database' || wanted.get(`${now.type} ${name}`) === now.text) continue;
      if (now.type === 'INDEX') db.exec(`DROP INDEX IF EXISTS ${quoteName(name)}`);
      if (now.type === 'TABLE' && !name.startsWith('sqlite_'))
        db.exec(`DROP TABLE IF EXISTS ${quoteName(name)}`);
    }
    db.exec('PRAGMA writable_schema=ON');
    for (const statement of schema) {
      if (statement.section !== 'pre-data' || statement.type === 'VIRTUAL TABLE') continue;
      if (!this.#has(db, decodeName(objectOf(statement)))) db.exec(statement.text);
    }
    db.exec('PRAGMA writable_schema=OFF');
    this.#goal = schema;
  }

  tableFor(table: string): string {
    void this.db;
    return table === 'sqlite_sequence' ? 'holdfast_sequence' : table;
  }

  clear(table: string, path: string): void {
    const db = this.db;
    if (table === 'sqlite_sequence') {
      db.exec(`DELETE FROM ${sequenceCopy}`);
      return;
    }
    if (!this.#has(db, table)) return;
    const range = /\/@(min|-?\d+)-(max|-?\d+)$/.exec(path);
    const bounds: string[] = [];
    if (range) {
      const rowid = rowidNameOf(db, table);
      if (range[1] !== 'min') bounds.push(`${quoteName(rowid)} >= ${range[1]}`);
      if (range[2] !== 'max') bounds.push(`${quoteName(rowid)} <= ${range[2]}`);
    }
    db.exec(`DELETE FROM ${quoteName(table)}${bounds.length > 0 ? ` WHERE ${bounds.join(' AND ')}` : ''}`);
  }

  finish(): void {
    const db = this.#db ?? openBuild(this.#path);
    this.#db = db;
    if (!this.#goal) {
      this.#dropOwn(db);
      return;
    }
    const made = new Set(schemaStatements(db, 'main').map((one) => `${one.type} ${one.name}`));
    const missing = this.#goal.filter(
      (one) => one.section !== 'database' && !made.has(`${one.type} ${one.name}`),
    );
    createRest(db, missing, () => {});
    if (this.#has(db, 'sqlite_sequence')) {
      db.exec(
        `DELETE FROM main.sqlite_sequence; INSERT INTO main.sqlite_sequence(rowid, name, seq) SELECT rowid, name, seq FROM ${sequenceCopy}`,
      );
    }
    db.exec(`DROP TABLE ${sequenceCopy}`);
    applyProperties(db, this.#goal, 'last');
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
  }
}

function rowidNameOf(db: DatabaseSync, table: string): string {
  const columns = db.prepare(`PRAGMA table_xinfo(${quoteName(table)})`).all() as { name: string }[];
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)) ?? 'rowid';
}

import type { DatabaseSync } from 'node:sqlite';
import { type Table, tablesOf } from './catalog.ts';
import type { DatabaseFile } from './connection.ts';
import { bodyOf, hasTable, unpreparedId } from './identity.ts';
import { isOwnTrigger, ownTables, quoteName } from './names.ts';
import { definitionOf } from './state.ts';
import { triggerSql, type UniqueIndex, type Watch, watchable, watchDefinition } from './watch.ts';

/** What `holdfast_source` says of a watched table. */
export interface WatchRecord {
  readonly number: number;
  readonly definition: string;
  /** Changes are complete from behind this revision on. */
  readonly since: number;
  /** How many columns a row has in the revisions. */
  readonly columns: number;
  readonly key: readonly string[];
}

/**
 * Makes what incrementals by revisions need, in one database, inside the caller's transaction; or brings it up to
 * date after the user changed tables. Says in words what it made.
 */
export function prepareDatabase(db: DatabaseSync, file: DatabaseFile): string[] {
  const database = file.name;
  const schema = quoteName(database);
  const said: string[] = [];
  if (!hasTable(db, database, ownTables.source)) {
    db.exec(
      `CREATE TABLE ${schema}.${ownTables.source}(kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(kind, name))`,
    );
    const keep = db.prepare(`INSERT INTO ${schema}.${ownTables.source} VALUES(?, '', ?)`);
    keep.run('identity', unpreparedId(file));
    keep.run('body', bodyOf(file));
    said.push(`${database}: table ${ownTables.source}, with an identity`);
  }
  if (!hasTable(db, database, ownTables.revisions)) {
    db.exec(
      `CREATE TABLE ${schema}.${ownTables.revisions}(sequence INTEGER PRIMARY KEY, relation INTEGER, operation INTEGER, moved INTEGER, moment INTEGER)`,
    );
    said.push(`${database}: table ${ownTables.revisions}, which keeps changes until they are backed up`);
  }
  if (!hasTable(db, database, ownTables.candidates)) {
    db.exec(`CREATE TABLE ${schema}.${ownTables.candidates}(relation INTEGER)`);
    said.push(`${database}: table ${ownTables.candidates}, empty between statements`);
  }
  const records = watchRecords(db, database);
  const tables = tablesOf(db, database);
  for (const table of tables) {
    const how = watchable(db, table);
    if (typeof how === 'string') {
      if (!table.name.startsWith('sqlite_'))
        said.push(`${table.path}: not watched, ${how}; compared by chunks instead`);
      continue;
    }
    const made = watchTable(db, table, how, records);
    if (made) said.push(`${table.path}: triggers that keep its changes`);
  }
  const names = new Set(tables.map((table) => table.name));
  for (const [name, record] of records) if (!names.has(name)) unwatch(db, database, name, record.number);
  return said;
}

function watchTable(
  db: DatabaseSync,
  table: Table,
  how: { readonly key: readonly string[]; readonly uniques: readonly UniqueIndex[] },
  records: Map<string, WatchRecord>,
): boolean {
  const { database, name } = table;
  const definition = watchDefinition(definitionOf({ db }, table), how.uniques);
  const known = records.get(name);
  const existing = ownTriggers(db, database);
  const complete = known && triggersOf(existing, known.number, name) === (how.uniques.length > 0 ? 5 : 3);
  if (known && complete && known.definition === definition) return false;
  if (known) unwatch(db, database, name, known.number);
  // Numbers are never used again: old revisions still carry them.
  const numberMax = Math.max(
    0,
    ...[...records.values()].map((one) => one.number),
    lastRelation(db, database),
  );
  const watch: Watch = { number: numberMax + 1, table, ...how };
  widen(db, database, ownTables.revisions, how.key.length, table.output.length);
  widen(db, database, ownTables.candidates, how.key.length, 0);
  for (const sql of triggerSql(watch)) db.exec(sql);
  const record: WatchRecord = {
    number: watch.number,
    definition,
    since: lastSequence(db, database),
    columns: table.output.length,
    key: how.key,
  };
  db.prepare(`INSERT OR REPLACE INTO ${quoteName(database)}.${ownTables.source} VALUES('table', ?, ?)`).run(
    name,
    JSON.stringify(record),
  );
  records.set(name, record);
  return true;
}

/** Room for the widest key and row: columns of no type, so that values stay what they are. */
function widen(db: DatabaseSync, database: string, table: string, keys: number, values: number): void {
  const schema = quoteName(database);
  const has = new Set(
    (db.prepare(`PRAGMA ${schema}.table_info(${table})`).all() as { name: string }[]).map((row) => row.name),
  );
  for (let i = 0; i < keys; i++)
    if (!has.has(`k${i}`)) db.exec(`ALTER TABLE ${schema}.${table} ADD COLUMN k${i}`);
  for (let i = 0; i < values; i++)
    if (!has.has(`v${i}`)) db.exec(`ALTER TABLE ${schema}.${table} ADD COLUMN v${i}`);
}

export function ownTriggers(db: DatabaseSync, database: string): { name: string; table: string }[] {
  const rows = db
    .prepare(
      `SELECT name, tbl_name AS "table" FROM ${quoteName(database)}.sqlite_schema WHERE type = 'trigger'`,
    )
    .all() as { name: string; table: string }[];
  return rows.filter((row) => isOwnTrigger(row.name));
}

/** How many of a watch's triggers are there, on the table that it is about. */
export function triggersOf(
  triggers: readonly { name: string; table: string }[],
  number: number,
  table: string,
): number {
  return triggers.filter((one) => one.name.startsWith(`holdfast_${number}_`) && one.table === table).length;
}

export function watchRecords(db: DatabaseSync, database: string): Map<string, WatchRecord> {
  const rows = db
    .prepare(`SELECT name, value FROM ${quoteName(database)}.${ownTables.source} WHERE kind = 'table'`)
    .all() as { name: string; value: string }[];
  return new Map(rows.map((row) => [row.name, JSON.parse(row.value) as WatchRecord]));
}

function unwatch(db: DatabaseSync, database: string, name: string, number: number): void {
  const schema = quoteName(database);
  for (const trigger of ownTriggers(db, database)) {
    if (trigger.name.startsWith(`holdfast_${number}_`))
      db.exec(`DROP TRIGGER ${schema}.${quoteName(trigger.name)}`);
  }
  db.prepare(`DELETE FROM ${schema}.${ownTables.source} WHERE kind = 'table' AND name = ?`).run(name);
}

export function lastSequence(db: DatabaseSync, database: string): number {
  const row = db
    .prepare(`SELECT coalesce(max(sequence), 0) AS n FROM ${quoteName(database)}.${ownTables.revisions}`)
    .get() as { n: number };
  return Number(row.n);
}

function lastRelation(db: DatabaseSync, database: string): number {
  const row = db
    .prepare(`SELECT coalesce(max(relation), 0) AS n FROM ${quoteName(database)}.${ownTables.revisions}`)
    .get() as { n: number };
  return Number(row.n);
}

/** Removes all that Holdfast ever made; says what. Nothing there: nothing said. */
export function forgetDatabase(db: DatabaseSync, database: string): string[] {
  const schema = quoteName(database);
  const said: string[] = [];
  const triggers = ownTriggers(db, database);
  for (const trigger of triggers) db.exec(`DROP TRIGGER ${schema}.${quoteName(trigger.name)}`);
  if (triggers.length > 0) said.push(`${database}: ${triggers.length} triggers`);
  for (const table of Object.values(ownTables)) {
    if (!hasTable(db, database, table)) continue;
    db.exec(`DROP TABLE ${schema}.${table}`);
    said.push(`${database}: table ${table}`);
  }
  return said;
}

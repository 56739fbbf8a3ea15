import type { ChangesResult, Sig } from '@holdfast/core';
import type { Table } from './catalog.ts';
import { tablesOf } from './catalog.ts';
import type { Frozen } from './freeze.ts';
import { ownTables, quoteName } from './names.ts';
import { lastSequence, ownTriggers, triggersOf, type WatchRecord, watchRecords } from './prepare.ts';
import { definitionOf, type SqliteState, schemaVersions } from './state.ts';
import { rowLine, type SqliteValue, textOf, valueText } from './value-text.ts';
import { operations, watchable, watchDefinition } from './watch.ts';

const blockBytes = 256 * 1024;

export function sequencesPosition(sequences: Readonly<Record<string, number>>): string {
  return Object.entries(sequences)
    .map(([database, sequence]) => `${database}=${sequence}`)
    .join(',');
}

/** Per database, up to which revision a view has them. */
export function lastSequences(frozen: Frozen): Record<string, number> {
  return Object.fromEntries(frozen.databases.map(({ name }) => [name, lastSequence(frozen.db, name)]));
}

interface Watched {
  readonly table: Table;
  readonly record: WatchRecord;
  /** As it is called in this chunk. */
  readonly relation: number;
}

interface Revision {
  readonly database: string;
  readonly sequence: number;
  readonly relation: number;
  readonly operation: number;
  readonly moved: boolean;
  readonly moment: number;
  readonly values: readonly SqliteValue[];
  readonly key: readonly SqliteValue[];
}

/** The kept revisions of a frozen view, from where a chain has them. */
export class RevisionReader {
  /** Up to which this view has them. */
  readonly sequences: Readonly<Record<string, number>>;
  readonly #frozen: Frozen;
  readonly #state: SqliteState;
  readonly #watched = new Map<string, Watched>();
  readonly #covered = new Set<string>();

  constructor(frozen: Frozen, state: SqliteState) {
    this.#frozen = frozen;
    this.#state = state;
    this.sequences = lastSequences(frozen);
    for (const { name } of frozen.databases) this.#findWatched(name);
  }

  /** Whether all changes of this table since the chain's newest backup are among the revisions. */
  covers(table: Table): boolean {
    return this.#covered.has(table.path);
  }

  coversPath(path: string): boolean {
    return this.#covered.has(path);
  }

  #findWatched(database: string): void {
    const { db } = this.#frozen;
    const records = watchRecords(db, database);
    const triggers = ownTriggers(db, database);
    const schemas = schemaVersions(this.#frozen);
    for (const table of tablesOf(db, database)) {
      const record = records.get(table.name);
      const how = watchable(db, table);
      if (!record || typeof how === 'string') continue;
      const definition = definitionOf(this.#frozen, table);
      const complete = triggersOf(triggers, record.number, table.name) === (how.uniques.length > 0 ? 5 : 3);
      const current = complete && record.definition === watchDefinition(definition, how.uniques);
      // VACUUM numbers rows anew where no column holds the number, and no trigger tells.
      const keepsKeys = table.withoutRowid || table.rowidColumn !== undefined;
      if (!keepsKeys && this.#state.schemas[database] !== schemas[database]) continue;
      const known = this.#state.tables[table.path]?.definition === definition;
      if (!current || !known || record.since > (this.#state.sequences[database] ?? -1)) continue;
      this.#watched.set(`${database} ${record.number}`, { table, record, relation: this.#watched.size });
      this.#covered.add(table.path);
    }
  }

  /**
   * Lines of `changes.ts`. SQLite does not say where a transaction begins: what one statement changed, which has one
   * moment, counts as one. Statements are in the order in which they were run, and writers take turns, so their order
   * is that of the commits.
   */
  async *read(o: Sig): AsyncGenerator<Uint8Array, ChangesResult, void> {
    const counts: Record<string, number> = {};
    const declared = new Set<number>();
    const reached: Record<string, number> = { ...this.#state.sequences };
    let lines = 0;
    let text = '';
    let moment: number | undefined;
    for (const revision of merged(this.#frozen.databases.map(({ name }) => this.#revisions(name)))) {
      const watched = this.#watched.get(`${revision.database} ${revision.relation}`);
      if (watched) {
        if (moment !== undefined && moment !== revision.moment) {
          text += commitLine(reached, moment);
          lines += 1;
          moment = undefined;
        }
        if (moment === undefined) {
          text += '["begin"]\n';
          lines += 1;
        }
        moment = revision.moment;
        if (!declared.has(watched.relation)) {
          declared.add(watched.relation);
          text += relationLine(watched);
          lines += 1;
        }
        text += changeLine(watched, revision);
        lines += 1;
        counts[watched.table.path] = (counts[watched.table.path] ?? 0) + 1;
      }
      reached[revision.database] = revision.sequence;
      if (text.length < blockBytes) continue;
      o.signal.throwIfAborted();
      yield Buffer.from(text, 'utf8');
      text = '';
    }
    if (moment !== undefined) {
      text += commitLine(this.sequences, moment);
      lines += 1;
    }
    if (text.length > 0) yield Buffer.from(text, 'utf8');
    return { rows: lines, tables: counts };
  }

  *#revisions(database: string): Generator<Revision, void, void> {
    const { db, databases } = this.#frozen;
    const encoding = databases.find((one) => one.name === database)?.image.encoding ?? 'utf8';
    const widest = Math.max(0, ...[...this.#watched.values()].map(({ table }) => table.output.length));
    const keys = Math.max(0, ...[...this.#watched.values()].map(({ record }) => record.key.length));
    // Text comes as bytes, because a JavaScript string cannot hold text that is not well-formed.
    const exact = (name: string): string[] => [
      `typeof(${name}) = 'text'`,
      `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`,
    ];
    const columns = [
      ...Array.from({ length: keys }, (_, index) => exact(`k${index}`)),
      ...Array.from({ length: widest }, (_, index) => exact(`v${index}`)),
    ].flat();
    const names = ['sequence', 'relation', 'operation', 'moved', 'moment', ...columns].join(', ');
    const statement = db.prepare(
      `SELECT ${names} FROM ${quoteName(database)}.${ownTables.revisions} WHERE sequence > ? ORDER BY sequence`,
      { readBigInts: true, returnArrays: true },
    );
    const value = (row: readonly SqliteValue[], at: number): SqliteValue => {
      const raw = row[at + 1] ?? null;
      return row[at] === 1n ? textOf(raw as Uint8Array, encoding) : raw;
    };
    const since = this.#state.sequences[database] ?? 0;
    for (const row of statement.iterate(since) as Iterable<unknown> as Iterable<SqliteValue[]>) {
      const watched = this.#watched.get(`${database} ${row[1]}`);
      const keyCount = watched?.record.key.length ?? 0;
      yield {
        database,
        sequence: Number(row[0]),
        relation: Number(row[1]),
        operation: Number(row[2]),
        moved: row[3] === 1n,
        moment: Number(row[4]),
        key: Array.from({ length: keyCount }, (_, index) => value(row, 5 + 2 * index)),
        values: Array.from({ length: watched?.table.output.length ?? 0 }, (_, index) =>
          value(row, 5 + 2 * (keys + index)),
        ),
      };
    }
  }
}

/** Several databases' revisions in the order of their moments. */
function* merged(sources: readonly Generator<Revision, void, void>[]): Generator<Revision, void, void> {
  const heads = sources.map((source) => ({ source, next: source.next() }));
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.next.done) continue;
      if (first === undefined || first.next.done || head.next.value.moment < first.next.value.moment)
        first = head;
    }
    if (first === undefined || first.next.done) return;
    yield first.next.value;
    first.next = first.source.next();
  }
}

function relationLine({ table, record, relation }: Watched): string {
  const columns = table.output.map((column) => column.name);
  return `${JSON.stringify(['relation', relation, table.path, columns, record.key])}\n`;
}

function commitLine(sequences: Readonly<Record<string, number>>, moment: number): string {
  return `${JSON.stringify(['commit', sequencesPosition(sequences), moment])}\n`;
}

function changeLine({ relation, table }: Watched, revision: Revision): string {
  const row = (values: readonly SqliteValue[]): string => rowLine(values).trimEnd();
  if (revision.operation === operations.delete) return `["delete",${relation},${row(revision.key)}]\n`;
  // A column of REAL affinity keeps whole numbers as REAL here, too: the table gave them as such.
  const values = row(revision.values.slice(0, table.output.length));
  if (revision.operation === operations.insert) return `["insert",${relation},${values}]\n`;
  return `["update",${relation},${revision.moved ? row(revision.key) : valueText(null)},${values}]\n`;
}

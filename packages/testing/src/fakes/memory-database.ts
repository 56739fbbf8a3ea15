import type { Column, Mark } from '@holdfast/core';

/** A row: the JSON text of each value, as it stands in a chunk. */
export type MemoryRow = readonly string[];

export interface MemoryShape {
  /** Another one for each table that was ever made, and for each change of its columns. */
  readonly shape: number;
  readonly path: string;
  readonly columns: readonly Column[];
  /** Names of key columns; none: rows cannot be addressed, and a changed table is replaced as a whole. */
  readonly key: readonly string[];
  /** How incrementals learn what changed: from the log, or by comparing chunks. */
  readonly by: 'log' | 'compare';
}

export interface MemoryTable extends MemoryShape {
  /** By the text of their keys; of a keyless table, by a number. */
  readonly rows: ReadonlyMap<string, MemoryRow>;
}

export interface LoggedChange {
  readonly table: MemoryShape;
  readonly verb: 'insert' | 'update' | 'delete' | 'truncate';
  /** Of an update: undefined when the key is as before. */
  readonly key?: MemoryRow | undefined;
  /** With `{}` for values that the log does not carry. */
  readonly row?: MemoryRow;
}

export interface LoggedCommit {
  readonly position: number;
  readonly timeMs: number;
  readonly changes: readonly LoggedChange[];
}

/** A column of this type is not logged by an update that leaves it as it is, as PostgreSQL does with large values. */
export const bigType = 'big';

/** A database in memory: tables, a log of commits, and who still needs the log. */
export class MemoryDatabase {
  readonly identity: string;
  readonly name: string;
  tables = new Map<string, MemoryTable>();
  sequences = new Map<string, number>();
  log: LoggedCommit[] = [];
  /** From which position on changes are kept, by label. */
  readonly keepers = new Map<string, number>();
  /** Folders of restores that have begun and are not published, by id. */
  readonly unpublished = new Map<string, string>();
  /** Who restores into it now. */
  restoring: string | undefined;
  position = 0;
  nowMs: number;
  #shapes = 0;
  #keyless = 0;

  constructor(name = 'shop', options: { readonly identity?: string; readonly startMs?: number } = {}) {
    this.name = name;
    this.identity = options.identity ?? crypto.randomUUID();
    this.nowMs = options.startMs ?? Date.UTC(2026, 10, 20, 14);
  }

  get mark(): Mark {
    return { position: positionText(this.position), timeMs: this.nowMs };
  }

  /** Each table's rows as texts, sorted: what tests compare. */
  contents(): Record<string, string[]> {
    const paths = [...this.tables.keys()].sort();
    return Object.fromEntries(paths.map((path) => [path, rowTexts(this.#table(path)).sort()]));
  }

  createTable(
    path: string,
    options: {
      readonly columns: readonly (string | Column)[];
      readonly key?: readonly string[];
      readonly by?: MemoryShape['by'];
    },
  ): void {
    if (this.tables.has(path)) throw new Error(`table ${path} is there already`);
    const columns = options.columns.map((one) =>
      typeof one === 'string' ? { name: one, type: 'text' } : one,
    );
    const { key = [], by = 'log' } = options;
    this.tables.set(path, { shape: ++this.#shapes, path, columns, key, by, rows: new Map() });
    this.#tick();
  }

  dropTable(path: string): void {
    this.#table(path);
    this.tables.delete(path);
    this.#tick();
  }

  /** A column more; the rows that are there get `value` in it. */
  addColumn(path: string, column: Column, value: string): void {
    const table = this.#table(path);
    const rows = new Map([...table.rows].map(([key, row]) => [key, [...row, value]]));
    this.tables.set(path, { ...table, shape: ++this.#shapes, columns: [...table.columns, column], rows });
    this.#tick();
  }

  /** What `work` does becomes visible at once, in one commit; nothing of it when it throws. */
  transaction(work: (transaction: MemoryTransaction) => void, o: { readonly timeMs?: number } = {}): void {
    const transaction = new MemoryTransaction(this.tables, () => ++this.#keyless);
    work(transaction);
    this.tables = transaction.tables;
    this.#tick();
    const timeMs = o.timeMs ?? this.nowMs;
    if (this.keepers.size > 0)
      this.log.push({ position: this.position, timeMs, changes: transaction.changes });
  }

  /** Forgets what nobody needs any more. */
  trim(): void {
    const from = Math.min(...this.keepers.values());
    this.log = this.keepers.size === 0 ? [] : this.log.filter(({ position }) => position > from);
  }

  #tick(): void {
    this.position++;
    this.nowMs += 1000;
  }

  #table(path: string): MemoryTable {
    const table = this.tables.get(path);
    if (!table) throw new Error(`there is no table ${path}`);
    return table;
  }
}

/** Changes rows of copies, so that a view that was taken before never sees them. */
export class MemoryTransaction {
  readonly tables: Map<string, MemoryTable>;
  readonly changes: LoggedChange[] = [];
  readonly #own = new Set<string>();
  readonly #nextNumber: () => number;

  constructor(tables: ReadonlyMap<string, MemoryTable>, nextNumber: () => number) {
    this.tables = new Map(tables);
    this.#nextNumber = nextNumber;
  }

  insert(path: string, ...rows: readonly MemoryRow[]): void {
    const { table, content } = this.#open(path);
    for (const row of rows) {
      const key = table.key.length > 0 ? keyOf(table, row) : String(this.#nextNumber());
      if (content.has(key)) throw new Error(`duplicate key ${key} in ${path}`);
      content.set(key, row);
      this.changes.push({ table, verb: 'insert', row });
    }
  }

  /** Replaces the row that has this key (of a keyless table: every row that reads like `key`). */
  update(path: string, key: MemoryRow, row: MemoryRow): void {
    const { table, content } = this.#open(path);
    if (table.key.length === 0) {
      for (const [number, old] of content) if (old.join() === key.join()) content.set(number, row);
      this.changes.push({ table, verb: 'update', row });
      return;
    }
    const before = content.get(key.join());
    if (!before) return;
    const next = keyOf(table, row);
    if (next !== key.join() && content.has(next)) throw new Error(`duplicate key ${next} in ${path}`);
    content.delete(key.join());
    content.set(next, row);
    const logged = row.map((value, at) =>
      table.columns[at]?.type === bigType && value === before[at] ? '{}' : value,
    );
    this.changes.push({ table, verb: 'update', key: next === key.join() ? undefined : key, row: logged });
  }

  delete(path: string, key: MemoryRow): void {
    const { table, content } = this.#open(path);
    if (table.key.length === 0) {
      for (const [number, old] of content) if (old.join() === key.join()) content.delete(number);
    } else if (!content.delete(key.join())) return;
    this.changes.push({ table, verb: 'delete', key });
  }

  truncate(path: string): void {
    const { table, content } = this.#open(path);
    content.clear();
    this.changes.push({ table, verb: 'truncate' });
  }

  #open(path: string): { readonly table: MemoryShape; readonly content: Map<string, MemoryRow> } {
    const table = this.tables.get(path);
    if (!table) throw new Error(`there is no table ${path}`);
    if (!this.#own.has(path)) {
      this.#own.add(path);
      this.tables.set(path, { ...table, rows: new Map(table.rows) });
    }
    const own = this.tables.get(path) ?? table;
    const { rows, ...shape } = own;
    return { table: shape, content: rows as Map<string, MemoryRow> };
  }
}

export function keyOf(table: Pick<MemoryShape, 'columns' | 'key'>, row: MemoryRow): string {
  return table.key.map((name) => row[table.columns.findIndex((column) => column.name === name)]).join();
}

export function rowTexts(table: MemoryTable): string[] {
  return [...table.rows.values()].map((row) => `[${row.join(',')}]`);
}

/** Fixed width, so that positions sort as texts. */
export function positionText(position: number): string {
  return String(position).padStart(12, '0');
}

/** Values as the JSON texts that rows are made of. */
export function texts(...values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value));
}

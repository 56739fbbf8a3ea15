import { type ImageChange, isUnder, relationOf } from '@holdfast/core';
import { keyOf, type MemoryRow, type MemoryTable } from './memory-database.ts';

/** A snapshot of a database in memory, being changed in place. */
export class MemoryImage {
  readonly tables: Map<string, MemoryTable>;
  readonly sequences: ReadonlyMap<string, number>;

  constructor(tables: Map<string, MemoryTable>, sequences: ReadonlyMap<string, number>) {
    this.tables = tables;
    this.sequences = sequences;
  }

  static async read(blocks: AsyncIterable<Uint8Array>): Promise<MemoryImage> {
    const image = JSON.parse(await textOf(blocks)) as {
      tables: (Omit<MemoryTable, 'rows'> & { rows: [string, MemoryRow][] })[];
      sequences: [string, number][];
    };
    const tables = image.tables.map((table): [string, MemoryTable] => [
      table.path,
      { ...table, rows: new Map(table.rows) },
    ]);
    return new MemoryImage(new Map(tables), new Map(image.sequences));
  }

  async apply(change: Exclude<ImageChange, { kind: 'schema' }>): Promise<void> {
    if (change.kind === 'clear') {
      for (const [path, table] of this.tables)
        if (isUnder(path, relationOf(change.path))) this.tables.set(path, { ...table, rows: new Map() });
    } else if (change.kind === 'rows') {
      const rows = (await textOf(change.blocks)).split('\n').filter((line) => line !== '');
      this.#insert(relationOf(change.header.chunk), rows.map(parseRow));
    } else {
      const relations = new Map<number, string>();
      for await (const line of change.lines) this.#line(JSON.parse(line) as unknown[], relations);
    }
  }

  #line(line: readonly unknown[], relations: Map<number, string>): void {
    const [verb, number, third, fourth] = line as [string, number, unknown, unknown];
    if (verb === 'relation') relations.set(number, third as string);
    const table = this.tables.get(relations.get(number) ?? '');
    if (!table || verb === 'relation' || verb === 'begin' || verb === 'commit') return;
    const rows = new Map(table.rows);
    const text = (values: unknown): MemoryRow => (values as unknown[]).map((value) => JSON.stringify(value));
    if (verb === 'truncate') rows.clear();
    if (verb === 'delete') rows.delete(text(third).join());
    if (verb === 'insert') rows.set(keyOf(table, text(third)), text(third));
    if (verb === 'update') {
      const next = text(fourth);
      const key = third === null ? keyOf(table, next) : text(third).join();
      const before = rows.get(key) ?? [];
      rows.delete(key);
      rows.set(
        keyOf(table, next),
        next.map((value, at) => (value === '{}' ? (before[at] ?? value) : value)),
      );
    }
    this.tables.set(table.path, { ...table, rows });
  }

  #insert(path: string, more: readonly MemoryRow[]): void {
    const table = this.tables.get(path);
    if (!table) throw new Error(`the image has no table ${path}`);
    const rows = new Map(table.rows);
    for (const row of more) rows.set(table.key.length > 0 ? keyOf(table, row) : `#${rows.size}`, row);
    this.tables.set(path, { ...table, rows });
  }
}

async function textOf(blocks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const block of blocks) parts.push(Buffer.from(block));
  return Buffer.concat(parts).toString('utf8');
}

function parseRow(line: string): MemoryRow {
  return (JSON.parse(line) as unknown[]).map((value) => JSON.stringify(value));
}

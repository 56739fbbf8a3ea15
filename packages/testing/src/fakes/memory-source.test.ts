import { describe, expect, test } from 'vitest';
import { describeSource, type SourceHarness, type SourcePlace } from '../contracts/source.ts';
import { printed } from '../contracts/source-reading.ts';
import { bigType, MemoryDatabase, rowTexts, texts } from './memory-database.ts';
import { MemorySource, type MemorySourceOptions } from './memory-source.ts';
import { executeSql, memoryPath } from './memory-sql.ts';

function rowsOf(database: MemoryDatabase, table: string): string[] | undefined {
  const found = database.tables.get(memoryPath(table));
  return found && rowTexts(found).map(printed);
}

function placeOf(database = new MemoryDatabase('restored')): SourcePlace {
  return {
    source: new MemorySource(database),
    occupy: async () => executeSql(database, ['CREATE TABLE other (id integer PRIMARY KEY, name text)']),
    rows: async (table) => rowsOf(database, table),
    traces: async () => [...database.tables.keys(), ...database.unpublished.keys()],
    [Symbol.asyncDispose]: async () => {},
  };
}

function harnessOf(options: MemorySourceOptions): SourceHarness {
  const database = new MemoryDatabase();
  return {
    source: new MemorySource(database, options),
    open: async () => new MemorySource(database, options),
    execute: async (...statements) => executeSql(database, statements),
    rows: async (table) => rowsOf(database, table) ?? [],
    path: memoryPath,
    traces: async () => [...database.keepers.keys()],
    place: async () => placeOf(),
    [Symbol.asyncDispose]: async () => {},
  };
}

describeSource('memory', async () => harnessOf({}));
describeSource('memory, in small blocks and chunks', async () => harnessOf({ blockBytes: 3, chunkRows: 2 }));

describe('the memory source', () => {
  test('logs an update without the large values that it did not touch', () => {
    const database = new MemoryDatabase();
    database.keepers.set('test', 0);
    database.createTable('/p.t', { columns: ['id', { name: 'large', type: bigType }], key: ['id'] });
    database.transaction((t) => {
      t.insert('/p.t', texts('1', 'large'));
      t.update('/p.t', texts('1'), texts('2', 'large'));
      t.update('/p.t', texts('2'), texts('2', 'other'));
    });
    const rows = database.log.flatMap(({ changes }) => changes.map(({ row }) => row));
    expect(rows).toEqual([texts('1', 'large'), ['"2"', '{}'], texts('2', 'other')]);
  });

  test('undoes a transaction that throws', () => {
    const database = new MemoryDatabase();
    database.keepers.set('test', 0);
    database.createTable('/p.t', { columns: ['id'], key: ['id'] });
    const failing = (): void =>
      database.transaction((t) => {
        t.insert('/p.t', texts('1'));
        t.insert('/p.t', texts('1'));
      });
    expect(failing).toThrow(/duplicate key/);
    expect(database.contents()).toEqual({ '/p.t': [] });
    expect(database.log).toEqual([]);
  });
});

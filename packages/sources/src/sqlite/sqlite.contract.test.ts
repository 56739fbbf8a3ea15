import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { SystemClock } from '@holdfast/core';
import { describeSource, temporaryFolder } from '@holdfast/testing';
import { sqliteDriver } from './index.ts';

const o = { signal: new AbortController().signal, clock: new SystemClock() };

function openFile(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA busy_timeout=20000');
  return database;
}

/** Values as texts: what the contract compares. */
function rowsOf(file: string, table: string): string[] {
  using database = openFile(file);
  const values = (row: Record<string, unknown>): unknown[] => Object.values(row);
  return database
    .prepare(`SELECT * FROM ${table}`)
    .all()
    .map((row) => JSON.stringify(values(row).map((value) => (value === null ? null : String(value)))));
}

function has(file: string, table: string): boolean {
  using database = openFile(file);
  return database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) !== undefined;
}

describeSource('sqlite', async () => {
  const folder = await temporaryFolder();
  const file = folder.join('source.db');
  {
    using database = openFile(file);
    database.exec('PRAGMA journal_mode=WAL; CREATE TABLE first_of_all (a); DROP TABLE first_of_all');
  }
  const open = () => sqliteDriver.open(`sqlite:${file}`, o);
  return {
    source: await open(),
    open,
    execute: async (...statements) => {
      using database = openFile(file);
      database.exec(`BEGIN IMMEDIATE; ${statements.join('; ')}; COMMIT`);
    },
    rows: async (table) => rowsOf(file, table),
    path: (table) => `/main.${table}`,
    traces: async () => {
      using database = openFile(file);
      const made = database
        .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'holdfast%' ORDER BY 1")
        .all();
      return made.map(({ name }) => String(name));
    },
    place: async () => {
      const target = await temporaryFolder();
      const restored = target.join('restored.db');
      return {
        source: await sqliteDriver.open(`sqlite:${restored}`, o),
        occupy: async () => {
          using database = openFile(restored);
          database.exec('CREATE TABLE other (a); INSERT INTO other VALUES (1)');
        },
        rows: async (table) =>
          existsSync(restored) && has(restored, table) ? rowsOf(restored, table) : undefined,
        traces: () => readdir(target.path),
        [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
      };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

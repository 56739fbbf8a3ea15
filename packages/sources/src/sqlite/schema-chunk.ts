import type { DatabaseSync } from 'node:sqlite';
import {
  type ChunkPlan,
  encodeName,
  type ReadResult,
  relationPart,
  type SchemaStatement,
} from '@holdfast/core';
import { type SchemaObject, schemaObjects } from './catalog.ts';
import { pragma } from './connection.ts';

export const schemaPath = '/schema';

export function schemaPlan(lines: readonly string[], compare: boolean): ChunkPlan {
  const estimatedBytes = lines.reduce((sum, line) => sum + line.length, 0);
  return { path: schemaPath, kind: 'schema', columns: [], estimatedBytes, local: true, compare, how: null };
}

export function isSchemaPlan(chunk: ChunkPlan): boolean {
  return chunk.kind === 'schema';
}

export async function* schemaBlocks(lines: readonly string[]): AsyncGenerator<Uint8Array, ReadResult, void> {
  if (lines.length > 0) yield Buffer.from(lines.join(''), 'utf8');
  return { rows: lines.length };
}

export function schemaLine(statement: SchemaStatement): string {
  return `${JSON.stringify([statement.section, statement.type, statement.name, statement.text])}\n`;
}

/** Properties kept in the file itself, in the order in which a new file takes them. */
const filePragmas = [
  'page_size',
  'encoding',
  'auto_vacuum',
  'default_cache_size',
  'application_id',
  'user_version',
  'journal_mode',
] as const;

/** What to leave out: values that a new file has anyway, and that old ones may not take back. */
const plain: Readonly<Record<string, string>> = { default_cache_size: '-2000' };

/**
 * All that a database is besides its rows. Names are `database.object`, each part as in chunk paths. SQLite's own
 * tables (sequences, statistics) have rows like any other and need no statement.
 */
export function schemaStatements(db: DatabaseSync, database: string): SchemaStatement[] {
  const properties = filePragmas.flatMap((name): SchemaStatement[] => {
    const value = String(pragma(db, database, name) ?? '');
    if (value === '' || value === plain[name]) return [];
    return [{ section: 'database', type: 'PRAGMA', name: relationPart(database, name), text: value }];
  });
  const objects = schemaObjects(db, database);
  const statement = (object: SchemaObject): SchemaStatement => ({
    section: object.type === 'table' ? 'pre-data' : 'post-data',
    type: object.type === 'table' && object.rootPage === 0 ? 'VIRTUAL TABLE' : object.type.toUpperCase(),
    name: relationPart(database, object.name),
    text: object.sql ?? '',
  });
  // An index without a text belongs to a constraint of its table and comes with it.
  const made = objects.filter((object) => object.sql !== null);
  const tables = made.filter((object) => object.type === 'table');
  const others = made.filter((object) => object.type !== 'table');
  const order = ['index', 'view', 'trigger'];
  others.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
  return [...properties, ...tables.map(statement), ...others.map(statement)];
}

export function schemaLines(db: DatabaseSync, databases: readonly string[]): string[] {
  return databases.flatMap((database) => schemaStatements(db, database).map(schemaLine));
}

/** The database that a statement's name belongs to. */
export function databaseOf(statement: SchemaStatement): string {
  return statement.name.slice(0, statement.name.indexOf('.'));
}

export function objectOf(statement: SchemaStatement): string {
  return statement.name.slice(statement.name.indexOf('.') + 1);
}

export function isPragma(statement: SchemaStatement, database: string, name: string): boolean {
  return statement.type === 'PRAGMA' && statement.name === `${encodeName(database)}.${encodeName(name)}`;
}

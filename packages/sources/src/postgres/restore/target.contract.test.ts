import { readFile } from 'node:fs/promises';
import type { SchemaStatement } from '@holdfast/core';
import { quoteName, runPsql, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Copy, copyDatabase, restoreCopy } from './restore.fixture.ts';

const server = inject('postgres');
const name = `r_${process.pid}`;
const url = urlOf(name);

function urlOf(database: string): string {
  const made = new URL(server);
  made.pathname = `/${encodeURIComponent(database)}`;
  return made.href;
}

const databases = (): Promise<string> =>
  runPsql(server, `SELECT datname FROM pg_database WHERE datname LIKE '${name}%' ORDER BY 1`);

/** A line per row. In which order privileges were granted says nothing. */
function inPlainWords(schema: readonly SchemaStatement[]): string[] {
  return schema.map(({ section, type, name, text }) => {
    const what =
      type === 'ACL' && section === 'database' ? (JSON.parse(text) as string[]).sort().join() : text;
    return [section, type, name, what].join(' | ');
  });
}

let copy: Copy;
let source: Awaited<ReturnType<typeof temporaryDatabase>>;

beforeAll(async () => {
  source = await temporaryDatabase(server, 'restore_from');
  await source.psql(await readFile(new URL('./restore.fixture.sql', import.meta.url), 'utf8'));
  copy = await copyDatabase(source.url);
  return () => source[Symbol.asyncDispose]();
});

afterEach(async () => {
  for (const left of (await databases()).split('\n').filter((line) => line !== '')) {
    await runPsql(server, `DROP DATABASE ${quoteName(left)} WITH (FORCE)`);
  }
});

describe('a restore of a whole database', () => {
  it('gives the same schema, rows, sequences, large objects and properties', async () => {
    await restoreCopy(url, copy, { loaders: 2 });
    expect(await databases()).toBe(name);
    const again = await copyDatabase(url);
    expect(inPlainWords(again.schema)).toEqual(inPlainWords(copy.schema));
    expect(again.chunks.map((chunk) => [chunk.header, chunk.rows])).toEqual(
      copy.chunks.map((chunk) => [chunk.header, chunk.rows]),
    );
    for (const [i, chunk] of copy.chunks.entries()) {
      expect(Buffer.from(again.chunks[i]?.lines ?? []).toString()).toBe(Buffer.from(chunk.lines).toString());
    }
    expect(await runPsql(url, `SELECT count(*) FROM pg_namespace WHERE nspname = 'holdfast_restore'`)).toBe(
      '0',
    );
  });
});

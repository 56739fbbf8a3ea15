import type { ChunkPlan, ReadResult, SchemaStatement } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { readDatabaseRows } from './database-rows.ts';
import { readEntries } from './dump-entries.ts';
import { readRefreshes } from './materialized-views.ts';
import { dumpSchema } from './pg-dump.ts';

export const schemaChunk: ChunkPlan = {
  path: '/schema',
  kind: 'schema',
  columns: [],
  estimatedBytes: 64 * 1024,
  local: true,
  // An incremental says again what the schema is only when it is another.
  compare: true,
  how: { kind: 'schema' },
};

export interface ReadSchema {
  /** Exported by a transaction that stays open meanwhile. */
  readonly snapshot: string;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** The whole schema, as the session's snapshot sees it. */
export async function readSchema(session: Session, o: ReadSchema): Promise<readonly SchemaStatement[]> {
  // If one of the two programs fails, the other one works in vain.
  const stop = new AbortController();
  const signal = AbortSignal.any([o.signal, stop.signal]);
  const dump = async (section: 'pre-data' | 'post-data'): Promise<SchemaStatement[]> => {
    try {
      return readEntries(await dumpSchema(session, { ...o, section, signal }), section);
    } catch (caught) {
      stop.abort(caught);
      throw caught;
    }
  };
  const database = await readDatabaseRows(session);
  const refreshes = await readRefreshes(session);
  const [relations] = await session.rows<{ count: number }>(
    `SELECT pg_catalog.count(*)::int AS count FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')`,
  );
  if ((relations?.count ?? 0) > togetherRelationsMax) {
    return [...database, ...(await dump('pre-data')), ...(await dump('post-data')), ...refreshes];
  }
  const [before, after] = await Promise.all([dump('pre-data'), dump('post-data')]);
  return [...database, ...before, ...after, ...refreshes];
}

/**
 * Each pg_dump locks every relation. The view holds as many locks already, and a server as it comes has room for
 * 6,400 of all sessions and a reserve: beyond this, one after the other.
 */
const togetherRelationsMax = 1000;

const utf8 = new TextEncoder();
const blockRows = 1000;

/** The chunk of the schema, a row per object. */
export async function* readSchemaChunk(
  session: Session,
  o: ReadSchema,
): AsyncGenerator<Uint8Array, ReadResult, void> {
  const statements = await readSchema(session, o);
  yield* schemaLines(statements);
  return { rows: statements.length };
}

function* schemaLines(statements: readonly SchemaStatement[]): Generator<Uint8Array> {
  for (let at = 0; at < statements.length; at += blockRows) {
    const lines = statements
      .slice(at, at + blockRows)
      .map(({ section, type, name, text }) => `${JSON.stringify([section, type, name, text])}\n`);
    yield utf8.encode(lines.join(''));
  }
}

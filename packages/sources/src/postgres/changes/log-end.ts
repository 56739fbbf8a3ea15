import { HoldfastError, type Mark, type Sig } from '@holdfast/core';
import { serverTimeMs } from '../full/open-full.ts';
import type { Session } from '../session/session.ts';
import { parseLsn } from './lsn.ts';

interface Row {
  flushed: string;
  inserted: string;
  timeMs: number;
}

const query = `
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_flush_lsn() END::text AS flushed,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::text AS inserted,
       ${serverTimeMs} AS "timeMs"`;

/**
 * An end for reading the log: the end of a record, durable, and behind every commit that its client was told of before
 * the call. The time is the server's, of before.
 *
 * Where all is durable, that is where the log ends. Otherwise (`synchronous_commit = off`, or someone is writing) the
 * durable part may end in the middle of a record, for whose rest a reader would wait until somebody commits. So we
 * commit: an empty message in the log, which makes durable what stands before it and whose end is known exactly.
 */
export async function readLogEnd(session: Session, o: Sig): Promise<Mark> {
  const [row] = await session.rows<Row>(query, undefined, 'asking where the log ends');
  if (!row) throw new HoldfastError('internal', 'a query without FROM has one row');
  o.signal.throwIfAborted();
  if (parseLsn(row.flushed) >= withoutPageHeader(parseLsn(row.inserted))) {
    return { position: row.flushed, timeMs: row.timeMs };
  }
  // `off` may be the database's or the role's default; a standby's confirmation is not waited for.
  await session.exec('SET synchronous_commit = local', 'making the log durable');
  const [message] = await session.rows<{ position: string }>(
    `SELECT pg_catalog.pg_logical_emit_message(true, 'holdfast', '')::text AS position`,
    undefined,
    'making the log durable',
  );
  return { position: message?.position ?? row.flushed, timeMs: row.timeMs };
}

const pageBytes = 8192n;
const headersBytes: ReadonlySet<bigint> = new Set([24n, 40n]);

/** At the begin of a page the next record goes behind the page's header, which nobody has written yet. */
function withoutPageHeader(lsn: bigint): bigint {
  const offset = lsn % pageBytes;
  return headersBytes.has(offset) ? lsn - offset : lsn;
}

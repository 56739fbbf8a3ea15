import type { Clock, Mark, Sig } from '@holdfast/core';
import { serverTimeMs } from '../full/open-full.ts';
import type { Session } from '../session/session.ts';
import { parseLsn } from './lsn.ts';

interface Row {
  flushed: string;
  inserted: string;
  timeMs: number;
  delayMs: number;
}

const query = `
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_flush_lsn() END::text AS flushed,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::text AS inserted,
       ${serverTimeMs} AS "timeMs",
       (SELECT setting::float8 FROM pg_catalog.pg_settings WHERE name = 'wal_writer_delay') AS "delayMs"`;

const pollMs = 10;
/** The log writer makes an asynchronous commit durable within three of its rounds, says PostgreSQL's documentation. */
const roundsMax = 3;

/**
 * Where the durable log ends, such that every commit that its client was told of before the call lies before it. With
 * `synchronous_commit = off` a client is told before the commit is durable: that takes waiting for the log writer.
 * The time is the server's, of before.
 */
export async function readLogEnd(session: Session, o: Sig & { readonly clock: Clock }): Promise<Mark> {
  const first = await read(session);
  const wanted = withoutPageHeader(parseLsn(first.inserted));
  const until = o.clock.elapsed() + roundsMax * first.delayMs + 100;
  let now = first;
  // What is still missing then is no commit, but the log of a transaction that goes on.
  while (parseLsn(now.flushed) < wanted && o.clock.elapsed() < until) {
    await o.clock.sleep(pollMs, o.signal);
    now = await read(session);
  }
  return { position: now.flushed, timeMs: first.timeMs };
}

async function read(session: Session): Promise<Row> {
  const [row] = await session.rows<Row>(query, undefined, 'asking where the log ends');
  return row as Row;
}

const pageBytes = 8192n;
const headersBytes: ReadonlySet<bigint> = new Set([24n, 40n]);

/** At the begin of a page the next record goes behind the page's header, which nobody has written yet. */
function withoutPageHeader(lsn: bigint): bigint {
  const offset = lsn % pageBytes;
  return headersBytes.has(offset) ? lsn - offset : lsn;
}

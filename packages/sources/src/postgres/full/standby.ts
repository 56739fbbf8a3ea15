import type { Session } from '../session/session.ts';

interface Row {
  standby: boolean;
  position: string | null;
  lastMs: number | null;
  receiving: boolean;
}

/** What whoever reads from a standby should know: how far it has come, and whether anything still comes. */
export async function describeStandby(session: Session): Promise<readonly string[]> {
  const [row] = await session.rows<Row>(
    `SELECT pg_catalog.pg_is_in_recovery() AS standby, pg_catalog.pg_last_wal_replay_lsn()::text AS position,
            pg_catalog.floor(1000 * EXTRACT(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()))::float8 AS "lastMs",
            EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AS receiving`,
    undefined,
    'asking how far the standby has come',
  );
  if (!row?.standby) return [];
  const last = row.lastMs === null ? '' : `, the last transaction of ${new Date(row.lastMs).toISOString()}`;
  const cut = row.receiving ? '' : '; it receives no log from a primary at the moment, and may be stale';
  return [
    `read at the standby ${session.where}, which has replayed the log up to ${row.position}${last}${cut}`,
  ];
}

import type { SourceIdentity } from '@holdfast/core';
import { timelineSql } from '../session/member.ts';
import type { Session } from '../session/session.ts';

export interface ServerFacts {
  readonly source: SourceIdentity;
  readonly timeline: number;
  readonly standby: boolean;
  readonly databaseOid: number;
  readonly databaseBytes: number;
  readonly walLevel: string;
  /** The user may use replication slots and the replication protocol. */
  readonly mayReplicate: boolean;
  readonly slotsFree: number;
  readonly sendersMax: number;
}

interface Row {
  system: string;
  oid: number;
  name: string;
  version: string;
  standby: boolean;
  timeline: number;
  bytes: string;
  walLevel: string;
  mayReplicate: boolean;
  slotsFree: number;
  sendersMax: number;
}

/**
 * The system identifier is the cluster's from initdb on, and the same on its standbys; the oid is the database's
 * through renaming. All of it may be asked by any user.
 */
export async function readFacts(session: Session): Promise<ServerFacts> {
  const [row] = await session.rows<Row>(query, undefined, 'asking what server it is');
  if (!row) throw new Error('a query without FROM has one row');
  return {
    source: {
      type: 'postgres',
      identity: `${row.system}/${row.oid}`,
      name: row.name,
      version: row.version,
    },
    timeline: row.timeline,
    standby: row.standby,
    databaseOid: row.oid,
    databaseBytes: Number(row.bytes),
    walLevel: row.walLevel,
    mayReplicate: row.mayReplicate,
    slotsFree: row.slotsFree,
    sendersMax: row.sendersMax,
  };
}

const query = `
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
       d.oid::int8::float8 AS oid, d.datname AS name,
       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.pg_is_in_recovery() AS standby,
       ${timelineSql} AS timeline,
       CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') THEN pg_catalog.pg_database_size(d.oid) ELSE 0 END AS bytes,
       pg_catalog.current_setting('wal_level') AS "walLevel",
       (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user) AS "mayReplicate",
       pg_catalog.current_setting('max_replication_slots')::int4
         - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots)::int4 AS "slotsFree",
       pg_catalog.current_setting('max_wal_senders')::int4 AS "sendersMax"
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`;

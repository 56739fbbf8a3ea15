import type { Finding, Sig, SourceIdentity } from '@holdfast/core';
import { openSession, type Session, staysAt } from '../session/session.ts';
import { describeContents } from './occupancy.ts';
import { obstacle, versionObstacle } from './requirements.ts';
import { describeSessions, sessionsIn } from './temporary-database.ts';

/** The server and the name that a restore is for, as they are before anything is changed. */
export interface TargetFacts {
  readonly user: string;
  readonly superuser: boolean;
  /** Of a role by which cloud providers let others do most of what superusers do. */
  readonly nearlySuperuser: boolean;
  /** How many more connections the server takes. */
  readonly freeConnections: number;
  readonly existing: ExistingDatabase | undefined;
}

export interface ExistingDatabase {
  readonly owner: string;
  readonly acl: readonly string[] | undefined;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  readonly template: boolean;
  readonly connectable: boolean;
  /** Logical replication slots, subscriptions and prepared transactions: with them it could not be replaced. */
  readonly attached: readonly string[];
}

interface ServerRow {
  user: string;
  superuser: boolean;
  nearlySuperuser: boolean;
  mayCreate: boolean;
  standby: boolean;
  readOnly: boolean;
  free: number;
}

/** They create event triggers and untrusted extensions by rules of their own, which the server cannot be asked for. */
const nearlySuperuserRoles = `'rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin', 'neon_superuser'`;

export async function lookAtTarget(
  maintenance: Session,
  name: string,
  o: Sig & { readonly from: SourceIdentity },
): Promise<{ readonly facts: TargetFacts; readonly problems: readonly Finding[] }> {
  const [server] = await maintenance.rows<ServerRow>(
    `SELECT rolname AS "user", rolsuper AS superuser,
       EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname IN (${nearlySuperuserRoles})
         AND pg_catalog.pg_has_role(r.oid, 'MEMBER')) AS "nearlySuperuser", rolcreatedb OR rolsuper AS "mayCreate",
       pg_catalog.pg_is_in_recovery() AS standby,
       pg_catalog.current_setting('transaction_read_only')::boolean AS "readOnly",
       pg_catalog.current_setting('max_connections')::int
         - CASE WHEN rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::int END
         - (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS free
     FROM pg_catalog.pg_roles WHERE rolname = current_user`,
    undefined,
    'looking at the server',
  );
  const existing = await readExisting(maintenance, name);
  const problems: Finding[] = [];
  const version = versionObstacle(o.from.version, maintenance.version);
  if (version) problems.push(version);
  if (server?.standby || server?.readOnly) {
    problems.push(
      obstacle(
        'server takes writes',
        'precondition_failed',
        `the server at ${maintenance.where} is ${server.standby ? 'a standby' : 'read only'}`,
        'restore into the primary: target_session_attrs=read-write in the URL finds it among several hosts',
      ),
    );
  }
  const user = server?.user ?? maintenance.target.user;
  if (!server?.mayCreate) {
    problems.push(
      obstacle(
        'right to create databases',
        'permission_denied',
        `the role ${user} may not create databases`,
        `run as superuser: ALTER ROLE "${user}" CREATEDB;`,
      ),
    );
  }
  if (existing) problems.push(...(await lookAtExisting(maintenance, name, { existing, signal: o.signal })));
  return {
    facts: {
      user,
      superuser: server?.superuser ?? false,
      nearlySuperuser: server?.nearlySuperuser ?? false,
      freeConnections: server?.free ?? 0,
      existing,
    },
    problems,
  };
}

async function readExisting(maintenance: Session, name: string): Promise<ExistingDatabase | undefined> {
  const [row] = await maintenance.rows<Omit<ExistingDatabase, 'acl'> & { acl: string[] | null }>(
    `SELECT pg_catalog.pg_get_userbyid(datdba) AS owner, datacl::text[] AS acl,
       pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype,
       datistemplate AS template, datallowconn AS connectable,
       ARRAY(SELECT 'replication slot ' || slot_name FROM pg_catalog.pg_replication_slots WHERE database = datname
         UNION ALL SELECT 'subscription ' || subname FROM pg_catalog.pg_subscription WHERE subdbid = d.oid
         UNION ALL SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts WHERE database = datname)
         AS attached
     FROM pg_catalog.pg_database d WHERE datname = $1`,
    [name],
    `looking for the database ${name}`,
  );
  return row && { ...row, acl: row.acl ?? undefined };
}

async function lookAtExisting(
  maintenance: Session,
  name: string,
  o: Sig & { readonly existing: ExistingDatabase },
): Promise<readonly Finding[]> {
  const { existing, signal } = o;
  const check = 'target is empty';
  if (existing.template || !existing.connectable) {
    const what = existing.template ? 'is a template' : 'takes no connections';
    return [
      obstacle(check, 'precondition_failed', `the database ${name} ${what}`, 'restore into another name'),
    ];
  }
  const contents = [...existing.attached];
  const found = await contentsOf(maintenance, name, { signal });
  if (found !== undefined) contents.unshift(found);
  if (contents.length > 0) {
    return [
      obstacle(
        check,
        'precondition_failed',
        `the database ${name} is not empty: there is ${contents.join(', ')}`,
        'restore into another name (it is created), or drop the database yourself first; nothing of what is there is touched',
      ),
    ];
  }
  const inside = await sessionsIn(maintenance, name);
  if (inside.length === 0) return [];
  return [
    obstacle(
      check,
      'precondition_failed',
      `the empty database ${name} is in use by ${describeSessions(inside)}`,
      'end these sessions: the restored database takes its place',
    ),
  ];
}

/** In words what the database of that name holds; undefined: it is empty. */
export async function contentsOf(maintenance: Session, name: string, o: Sig): Promise<string | undefined> {
  await using session = await openSession(staysAt(maintenance), { signal: o.signal, database: name });
  return await describeContents(session);
}

import { type Finding, HoldfastError } from '@holdfast/core';
import { userSchemas } from '../full/catalog.ts';
import { quoteIdentifier } from '../full/names.ts';
import { findProgram } from '../schema/pg-dump.ts';
import type { Session } from '../session/session.ts';
import { bad, fine, fromError, info, someOf, warning } from './findings.ts';

interface Relation {
  name: string;
  kind: 'r' | 'S';
  readable: boolean;
  hidden: boolean;
  unlogged: boolean;
}

const relationsQuery = `
SELECT n.nspname || '.' || c.relname AS name, c.relkind AS kind, c.relpersistence = 'u' AS unlogged,
       CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
            ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END
         AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS readable,
       c.relrowsecurity AND pg_catalog.row_security_active(c.oid) AS hidden
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't' AND ${userSchemas}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
       AND d.deptype = 'e')
 ORDER BY 1`;

/** What a full backup needs: that everything can be read, and that pg_dump is there. */
export async function checkReading(session: Session): Promise<readonly Finding[]> {
  const relations = await session.rows<Relation>(relationsQuery, undefined, 'asking what may be read');
  const user = quoteIdentifier(session.target.user);
  const all = session.version >= 140_000 ? `GRANT pg_read_all_data TO ${user}` : undefined;
  const findings: Finding[] = [];
  for (const [kind, what, grant] of [
    ['r', 'tables', 'TABLES'],
    ['S', 'sequences', 'SEQUENCES'],
  ] as const) {
    const denied = relations.filter((each) => each.kind === kind && !each.readable).map((each) => each.name);
    const check = `reading ${what}`;
    const count = relations.filter((each) => each.kind === kind).length;
    const each = `GRANT USAGE ON SCHEMA … TO ${user}; GRANT SELECT ON ALL ${grant} IN SCHEMA … TO ${user}`;
    if (denied.length === 0) findings.push(fine(check, `all ${count} ${what} may be read`));
    else findings.push(bad(check, 'permission_denied', `may not read ${someOf(denied)}`, all ?? each));
  }
  const hidden = relations.filter((each) => each.hidden && each.readable).map((each) => each.name);
  findings.push(
    hidden.length === 0
      ? fine('row level security', 'hides no rows from this user')
      : bad(
          'row level security',
          'permission_denied',
          `hides rows of ${someOf(hidden)}`,
          `ALTER ROLE ${user} BYPASSRLS`,
        ),
    await checkLargeObjects(session, all ?? 'use a superuser'),
    await checkPgDump(session),
    await checkLocks(session, relations.filter((each) => each.kind === 'r').length),
  );
  const unlogged = relations.filter((each) => each.unlogged).map((each) => each.name);
  if (unlogged.length > 0) {
    findings.push(
      info(
        'unlogged tables',
        `${someOf(unlogged)}: the log does not tell their changes, so every incremental reads them whole and compares`,
      ),
    );
  }
  return findings;
}

async function checkLargeObjects(session: Session, hint: string): Promise<Finding> {
  const [row] = await session.rows<{ count: string; readable: boolean }>(
    `SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata) AS count,
            pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') AS readable`,
    undefined,
    'asking for large objects',
  );
  const count = Number(row?.count ?? 0);
  if (count === 0) return fine('large objects', 'there are none');
  if (row?.readable) return fine('large objects', `${count} may be read`);
  return bad('large objects', 'permission_denied', `may not read the ${count} large objects`, hint);
}

async function checkPgDump(session: Session): Promise<Finding> {
  try {
    const { path, major } = await findProgram('pg_dump', session.version);
    return fine('pg_dump', `${path} is version ${major}, the server ${Math.floor(session.version / 10_000)}`);
  } catch (caught) {
    return fromError('pg_dump', HoldfastError.from(caught));
  }
}

/**
 * The server's shared room for locks is max_locks_per_transaction × (max_connections + max_prepared_transactions), and
 * a reserve. With 6,400 and nothing else going on, the view and pg_dump each had 10,000 tables locked.
 */
const tablesPerRoom = 1.5;

async function checkLocks(session: Session, tables: number): Promise<Finding> {
  const [row] = await session.rows<{ locks: number; sessions: number }>(
    `SELECT current_setting('max_locks_per_transaction')::int AS locks,
            current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int AS sessions`,
    undefined,
    'asking for the room for locks',
  );
  const { locks, sessions } = row ?? { locks: 64, sessions: 100 };
  const room = locks * sessions;
  if (tables <= room * tablesPerRoom) return fine('locks', `room for ${room} of them, ${tables} tables`);
  return warning(
    'locks',
    `a backup locks each of the ${tables} tables twice, and the server has room for ${room} locks and some more`,
    `ALTER SYSTEM SET max_locks_per_transaction = ${Math.ceil(tables / sessions)}; then restart the server`,
  );
}

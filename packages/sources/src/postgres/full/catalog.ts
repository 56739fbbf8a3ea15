import { HoldfastError } from '@holdfast/core';
import type { Session } from '../session/session.ts';

/** A relation that holds rows of its own, as the snapshot of the session sees it. */
export interface CatalogTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Tables above it, outermost first: the partitioned tables that it is a partition of. */
  readonly ancestors: readonly (readonly [schema: string, name: string])[];
  readonly columns: readonly string[];
  readonly types: readonly string[];
  /** Columns are left out, because the server computes them. */
  readonly generated: boolean;
  readonly heap: boolean;
  readonly unlogged: boolean;
  /** `WHERE …` of an extension's configuration table, or empty. */
  readonly condition: string;
  readonly readable: boolean;
  readonly rowSecurity: boolean;
}

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  holdsRows: boolean;
  ancestors: [string, string][] | null;
  columns: string[];
  types: string[];
  generated: boolean;
  heap: boolean;
  unlogged: boolean;
  condition: string | null;
  readable: boolean;
  rowSecurity: boolean;
}

/** Not PostgreSQL's own, and not another session's temporary. Of a namespace called `n`. */
export const userSchemas = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/**
 * One query for all tables, however many: `LATERAL` per table costs a few microseconds, a query per table a thousand
 * times that. Extension members are left out unless the extension registered them as configuration (their rows are
 * the user's then, as far as the condition says). Foreign tables hold their rows elsewhere.
 */
const tablesQuery = `
WITH config AS (
  SELECT u.relation AS oid, u.condition
    FROM pg_catalog.pg_extension e,
         LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) AS u(relation, condition)
)
SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'r' AS "holdsRows",
       CASE WHEN c.relispartition THEN (
         SELECT pg_catalog.json_agg(pg_catalog.json_build_array(an.nspname, a.relname) ORDER BY t.level DESC)
           FROM (WITH RECURSIVE up(oid, level) AS (
                   SELECT i.inhparent, 1 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
                   UNION ALL
                   SELECT i.inhparent, up.level + 1 FROM up
                     JOIN pg_catalog.pg_class p ON p.oid = up.oid AND p.relispartition
                     JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid)
                 SELECT oid, level FROM up) t
           JOIN pg_catalog.pg_class a ON a.oid = t.oid
           JOIN pg_catalog.pg_namespace an ON an.oid = a.relnamespace)
       END AS ancestors,
       columns.names AS columns, columns.types, columns.generated,
       coalesce(am.amname = 'heap', false) AS heap,
       c.relpersistence = 'u' AS unlogged,
       config.condition,
       -- Null: dropped since the snapshot was taken, which locking it will say.
       coalesce(pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), true)
         AS readable,
       c.relrowsecurity AND pg_catalog.row_security_active(c.oid) AS "rowSecurity"
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
  LEFT JOIN config ON config.oid = c.oid
  CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.json_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''), '[]') AS names,
           coalesce(pg_catalog.json_agg(pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
                    FILTER (WHERE a.attgenerated = ''), '[]') AS types,
           coalesce(pg_catalog.bool_or(a.attgenerated <> ''), false) AS generated
      FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) columns
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND ${userSchemas}
   AND (config.oid IS NOT NULL OR NOT EXISTS (
     SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.deptype = 'e'))
   AND ($1::pg_catalog.oid[] IS NULL OR c.oid = ANY ($1))
 ORDER BY n.nspname, c.relname`;

/**
 * The tables that hold rows. Partitioned tables have none, but have to be readable too: pg_dump locks them.
 * @throws HoldfastError permission_denied, naming every table that this user may not read
 */
export async function readTables(
  session: Session,
  oids?: readonly number[],
): Promise<readonly CatalogTable[]> {
  const rows = await session.rows<TableRow>(tablesQuery, [oids ?? null], 'listing the tables');
  refuseUnreadable(session, rows);
  return rows
    .filter((row) => row.holdsRows)
    .map(({ holdsRows: _, ...row }) => ({
      ...row,
      ancestors: row.ancestors ?? [],
      condition: row.condition ?? '',
    }));
}

export interface TableSize {
  /** Of its rows, without what is kept out of line. */
  readonly bytes: number;
  /** With what is kept out of line (TOAST). */
  readonly totalBytes: number;
}

/** By oid. Only of locked tables: measuring one waits for whoever has it locked. */
export async function measureTables(
  session: Session,
  tables: readonly CatalogTable[],
): Promise<ReadonlyMap<number, TableSize>> {
  const rows = await session.rows<{ oid: number; bytes: number; totalBytes: number }>(
    `SELECT c.oid::int8::float8 AS oid, coalesce(pg_catalog.pg_relation_size(c.oid), 0)::float8 AS bytes,
            (coalesce(pg_catalog.pg_relation_size(c.oid), 0)
              + coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0))::float8 AS "totalBytes"
       FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)`,
    [tables.map((each) => each.oid)],
    'measuring the tables',
  );
  return new Map(rows.map((row) => [row.oid, row]));
}

/** What a full does not copy, in words for the run's log. */
export async function readOmissions(session: Session): Promise<readonly string[]> {
  const rows = await session.rows<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'f' AND ${userSchemas} ORDER BY 1`,
    undefined,
    'listing the foreign tables',
  );
  if (rows.length === 0) return [];
  const names = rows.slice(0, namedMax).map((row) => row.name);
  const more = rows.length - names.length;
  return [
    `foreign tables are kept as definitions, their rows are elsewhere: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
  ];
}

const namedMax = 20;

function refuseUnreadable(session: Session, tables: readonly TableRow[]): void {
  const denied = tables.filter((each) => !each.readable);
  const filtered = tables.filter((each) => each.readable && each.rowSecurity);
  if (denied.length === 0 && filtered.length === 0) return;
  const { user } = session.target;
  const parts: string[] = [];
  if (denied.length > 0) parts.push(`user ${user} may not read ${nameSome(denied)}`);
  if (filtered.length > 0) {
    parts.push(`row level security hides rows from user ${user} in ${nameSome(filtered)}`);
  }
  throw new HoldfastError('permission_denied', `${parts.join('; ')} (${session.where})`, {
    hint:
      filtered.length > 0
        ? `ALTER ROLE "${user}" BYPASSRLS; and GRANT pg_read_all_data TO "${user}"`
        : `GRANT pg_read_all_data TO "${user}" (PostgreSQL 14 and later), or GRANT SELECT on the tables and USAGE on their schemas`,
  });
}

function nameSome(tables: readonly TableRow[]): string {
  const names = tables.slice(0, namedMax).map((each) => `${each.schema}.${each.name}`);
  const more = tables.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

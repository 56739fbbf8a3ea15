import type { SchemaStatement } from '@holdfast/core';
import { userSchemas } from '../full/catalog.ts';
import { qualified } from '../full/names.ts';
import type { Session } from '../session/session.ts';

interface ViewRow {
  oid: number;
  schema: string;
  name: string;
  populated: boolean;
  /** Relations that its query names. */
  uses: number[];
}

/**
 * The statements that fill materialized views, each after those that it reads from, directly or through plain views.
 * pg_dump counts them among the rows, and so leaves them out of a schema. One that was never filled stays empty.
 */
export async function readRefreshes(session: Session): Promise<readonly SchemaStatement[]> {
  const rows = await session.rows<ViewRow>(viewsQuery, undefined, 'listing the materialized views');
  const byOid = new Map(rows.map((row) => [row.oid, row]));
  const refreshes: SchemaStatement[] = [];
  const visited = new Set<number>();
  const visit = (oid: number): void => {
    const row = byOid.get(oid);
    if (!row || visited.has(oid)) return;
    visited.add(oid);
    for (const used of row.uses) visit(used);
    if (!row.populated) return;
    refreshes.push({
      section: 'post-data',
      type: 'MATERIALIZED VIEW DATA',
      name: `${row.schema}.${row.name}`,
      text: `REFRESH MATERIALIZED VIEW ${qualified(row.schema, row.name)};`,
    });
  };
  for (const row of rows) visit(row.oid);
  return refreshes;
}

const viewsQuery = `
SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'm' AND c.relispopulated AS populated,
       coalesce((SELECT pg_catalog.json_agg(DISTINCT d.refobjid::int8)
                   FROM pg_catalog.pg_rewrite r
                   JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> c.oid
                  WHERE r.ev_class = c.oid), '[]') AS uses
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('m', 'v') AND ${userSchemas}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname`;

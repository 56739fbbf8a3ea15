import type { Session } from '../session/session.ts';

interface TypeRow {
  oid: number;
  hash: string;
  hashThen: string;
}

export interface TypeFacts {
  readonly types: readonly (readonly [oid: number, hash: string])[];
  readonly enumOid: number;
  /** Types whose values may print in another way than they did under the state before. */
  readonly changed: ReadonlySet<number>;
}

/**
 * Values of a user-defined type print as its enum labels and composite attributes say, or those of types inside it:
 * a renamed label changes rows that no transaction touched. A label that was only added changes none, so only those
 * up to the newest one of then are compared.
 */
const typesQuery = `
WITH RECURSIVE reach(root, typ) AS (
  SELECT DISTINCT r, r FROM pg_catalog.unnest($1::int8[]::oid[]) AS r
  UNION
  SELECT reach.root, inner_type.oid
    FROM reach
    JOIN pg_catalog.pg_type t ON t.oid = reach.typ
   CROSS JOIN LATERAL (
     SELECT t.typelem UNION ALL SELECT t.typbasetype
      UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                 WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid) AS inner_type(oid)
   WHERE inner_type.oid >= 16384
), parts AS (
  SELECT reach.root, pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', e.oid, e.enumlabel, e.xmin), 0) AS hash,
         e.oid::int8 <= $2::int8 AS known
    FROM reach JOIN pg_catalog.pg_enum e ON e.enumtypid = reach.typ
  UNION ALL
  SELECT reach.root, pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid, a.xmin), 0), true
    FROM reach JOIN pg_catalog.pg_type t ON t.oid = reach.typ AND t.typrelid <> 0
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT root::int8::float8 AS oid, pg_catalog.to_hex(pg_catalog.hashtext(pg_catalog.sum(hash)::text)) AS hash,
       pg_catalog.to_hex(pg_catalog.hashtext((pg_catalog.sum(hash) FILTER (WHERE known))::text)) AS "hashThen"
  FROM parts GROUP BY 1`;

export async function readTypeFacts(
  session: Session,
  used: Iterable<number>,
  before: { readonly types: readonly (readonly [number, string])[]; readonly enumOid: number },
): Promise<TypeFacts> {
  const oids = [...new Set(used)];
  if (oids.length === 0) return { types: [], enumOid: 0, changed: new Set() };
  const [top] = await session.rows<{ enumOid: number }>(
    'SELECT coalesce(pg_catalog.max(oid::int8), 0)::float8 AS "enumOid" FROM pg_catalog.pg_enum',
  );
  const rows = await session.rows<TypeRow>(
    typesQuery,
    [oids, before.enumOid],
    'reading the fingerprints of the types',
  );
  const then = new Map(before.types);
  return {
    types: rows.map((row) => [row.oid, row.hash] as const),
    enumOid: top?.enumOid ?? 0,
    changed: new Set(rows.filter((row) => then.get(row.oid) !== row.hashThen).map((row) => row.oid)),
  };
}

import { relationPath } from '@holdfast/core';
import { userSchemas } from '../full/catalog.ts';
import type { Session } from '../session/session.ts';
import type { ChangeState, TableMark } from './state.ts';

/** A table or leaf partition, as far as its changes are concerned. */
export interface TableFacts {
  readonly oid: number;
  readonly path: string;
  /** `public."we ird"`, as test_decoding prints it too. */
  readonly printed: string;
  readonly mark: TableMark;
  /** False: no columns address a row, so that a change makes the whole table be read again. */
  readonly keyed: boolean;
  /** The index of those columns; an index never gets others. */
  readonly keyIndex: number;
  readonly unlogged: boolean;
  /** User-defined types of its columns. */
  readonly types: readonly number[];
}

interface Row {
  oid: number;
  kind: 'r' | 'p';
  schema: string;
  name: string;
  printed: string;
  parent: number | null;
  shape: string;
  classChange: number;
  explained: string;
  file: number;
  typeChange: number;
  owner: number;
  keyed: boolean;
  keyIndex: number;
  unlogged: boolean;
  types: number[];
}

/**
 * `key` is the index whose columns address a row in the log: the primary key, or the one that REPLICA IDENTITY names.
 * FULL logs whole rows, of which the primary key is enough; a deferrable key may hold twice inside a transaction. Tables of
 * extensions are left out, unless registered as configuration; if only some of their rows are (`condition`), which
 * of them cannot be told from the log, so they count as keyless.
 */
const relations = `
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_type t ON t.oid = c.reltype
  LEFT JOIN (
    SELECT u.relation, nullif(u.condition, '') AS condition
      FROM pg_catalog.pg_extension e,
           LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) AS u(relation, condition)) config
    ON config.relation = c.oid
  LEFT JOIN pg_catalog.pg_index key
    ON key.indrelid = c.oid AND key.indisvalid AND key.indisunique AND key.indimmediate
       AND CASE c.relreplident WHEN 'i' THEN key.indisreplident WHEN 'n' THEN false ELSE key.indisprimary END
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND ${userSchemas}
   AND (config.relation IS NOT NULL OR NOT EXISTS (
     SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.deptype = 'e'))`;

const printed = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)";

/**
 * - `shape`: the relation itself, its columns and its key. The transaction that last wrote a column's row is in it, so
 *   that an ALTER is seen even if another one took it back. ANALYZE and VACUUM write elsewhere, or in place.
 * - `classChange`, `typeChange`: which transaction last wrote the relation's row, and that of its row type (a rename
 *   writes both). Harmless things do so too; `explained` and `owner` differ if it was one of them.
 * - `file`: where the rows lie; TRUNCATE and every rewrite change it.
 */
const factsQuery = `
SELECT c.oid::int8::float8 AS oid, c.relkind AS kind, n.nspname AS schema, c.relname AS name, ${printed} AS printed,
       (SELECT i.inhparent::int8::float8 FROM pg_catalog.pg_inherits i
         WHERE c.relispartition AND i.inhrelid = c.oid LIMIT 1) AS parent,
       pg_catalog.to_hex(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', c.oid, c.relpersistence, columns.hash,
         key.indexrelid, key.indkey, key.indnkeyatts, config.condition), 0)) AS shape,
       c.xmin::text::float8 AS "classChange",
       pg_catalog.to_hex(pg_catalog.hashtext(pg_catalog.concat_ws(' ', c.relacl, c.reloptions, c.reltablespace,
         c.relhastriggers, c.relhasrules, c.relhasindex, c.relhassubclass, c.relchecks, c.relrowsecurity,
         c.relforcerowsecurity, c.relpartbound))) AS explained,
       c.relfilenode::int8::float8 AS file, coalesce(t.xmin::text::float8, 0) AS "typeChange",
       c.relowner::int8::float8 AS owner,
       key.indexrelid IS NOT NULL AND config.condition IS NULL AS keyed,
       coalesce(key.indexrelid::int8::float8, 0) AS "keyIndex", c.relpersistence = 'u' AS unlogged,
       coalesce(columns.types, '{}') AS types
${relations.replace(
  ' WHERE ',
  `  LEFT JOIN (
    SELECT a.attrelid,
           pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid,
             a.atttypmod, a.attnotnull, a.attgenerated, a.attidentity, a.attcollation, a.xmin), 0)) AS hash,
           pg_catalog.array_agg(DISTINCT a.atttypid::int8::float8) FILTER (WHERE a.atttypid >= 16384) AS types
      FROM pg_catalog.pg_attribute a
     WHERE a.attnum > 0 AND NOT a.attisdropped
     GROUP BY 1) columns
    ON columns.attrelid = c.oid
 WHERE `,
)}`;

/** All tables and leaf partitions, as the session sees them now or in its snapshot. */
export async function readTableFacts(session: Session): Promise<readonly TableFacts[]> {
  const rows = await session.rows<Row>(factsQuery, undefined, 'reading the fingerprints of the tables');
  const byOid = new Map(rows.map((row) => [row.oid, row]));
  return rows.filter((row) => row.kind === 'r').map((row) => factsOf(row, byOid));
}

function factsOf(row: Row, byOid: ReadonlyMap<number, Row>): TableFacts {
  const lineage: [string, string][] = [];
  for (
    let each: Row | undefined = row;
    each;
    each = each.parent === null ? undefined : byOid.get(each.parent)
  ) {
    lineage.unshift([each.schema, each.name]);
  }
  const path = relationPath(...lineage);
  const { oid, printed, keyed, keyIndex, unlogged, types } = row;
  return {
    oid,
    path,
    printed,
    keyed,
    keyIndex,
    unlogged,
    types,
    mark: [path, row.shape, row.classChange, row.explained, row.file, row.typeChange, row.owner],
  };
}

/**
 * Whether something happened to a table that its row changes in the log do not tell. `truncatedBy` is the transaction
 * of the last TRUNCATE of it that the log showed: whatever was done to it before does not count any more.
 */
export function isAltered(was: TableMark, now: TableMark, truncatedBy?: number): boolean {
  const [, shape, classChange, explained, file, typeChange, owner] = was;
  if (now[1] !== shape) return true;
  // Renamed and renamed back: changes came under another name. A new owner is the harmless reason.
  if (now[5] !== typeChange && now[6] === owner) return true;
  if (now[2] === classChange || now[2] === truncatedBy) return false;
  // A rewrite may hide a time in which nothing was logged (SET UNLOGGED, SET LOGGED), or other values.
  if (now[4] !== file) return true;
  return now[3] === explained && now[6] === owner;
}

export interface TableColumns {
  printed: string;
  keyIndex: number;
  columns: string[];
  generated: string[];
  key: string[];
}

const columnsQuery = `
SELECT ${printed} AS printed, key.indexrelid::int8::float8 AS "keyIndex",
       pg_catalog.to_json(ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)) AS columns,
       pg_catalog.to_json(ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '')) AS generated,
       pg_catalog.to_json(ARRAY(SELECT a.attname::text
          FROM pg_catalog.unnest(key.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE k.position <= key.indnkeyatts ORDER BY k.position)) AS key
${relations} AND c.relkind = 'r' AND key.indexrelid IS NOT NULL AND config.condition IS NULL`;

/** Columns of every table that has a key, by printed name. Read when the first change comes, not before. */
export async function readColumns(session: Session): Promise<ReadonlyMap<string, TableColumns>> {
  const rows = await session.rows<TableColumns>(columnsQuery, undefined, 'reading the columns of the tables');
  return new Map(rows.map((row) => [row.printed, row]));
}

/** By path, what of a state is not the same any more. */
export interface Difference {
  /** Were there and look different, or were not there. */
  readonly replaced: readonly TableFacts[];
  readonly dropped: readonly string[];
}

export function compareTables(
  state: ChangeState,
  now: readonly TableFacts[],
  o: {
    readonly changedTypes: ReadonlySet<number>;
    readonly truncatedBy?: (table: TableFacts) => number | undefined;
  },
): Difference {
  const before = new Map(state.tables.map((mark) => [mark[0], mark]));
  const replaced = now.filter((table) => {
    const was = before.get(table.path);
    before.delete(table.path);
    if (was === undefined || table.types.some((type) => o.changedTypes.has(type))) return true;
    return isAltered(was, table.mark, o.truncatedBy?.(table));
  });
  return { replaced, dropped: [...before.keys()] };
}

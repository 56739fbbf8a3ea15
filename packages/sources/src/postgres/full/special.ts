import { type ChunkPlan, HoldfastError } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { userSchemas } from './catalog.ts';
import { qualified, quoteLiteral } from './names.ts';
import type { How } from './plan.ts';

/** Sequences per COPY: the server plans a query with one branch each. */
const sequencesPerCopy = 200;

/** What is read of a database besides the rows of its tables. */
export async function planSpecial(session: Session): Promise<readonly ChunkPlan[]> {
  return [...(await planSequences(session)), ...(await planLargeObjects(session))];
}

interface SequenceRow {
  schema: string;
  name: string;
  readable: boolean;
}

/**
 * `/sequences`: rows `[schema, name, last value, is called]`. Sequences know no transactions: what is read is their
 * value at the time of reading, which is never behind the rows.
 */
async function planSequences(session: Session): Promise<readonly ChunkPlan[]> {
  const rows = await session.rows<SequenceRow>(sequencesQuery, undefined, 'listing the sequences');
  const denied = rows.filter((row) => !row.readable).map((row) => `${row.schema}.${row.name}`);
  if (denied.length > 0) {
    throw denial(session, `the sequence${denied.length > 1 ? 's' : ''} ${denied.slice(0, 20).join(', ')}`);
  }
  if (rows.length === 0) return [];
  const selects = rows.map(
    ({ schema, name }) =>
      `SELECT ${quoteLiteral(schema)}, ${quoteLiteral(name)}, last_value, is_called FROM ${qualified(schema, name)}`,
  );
  const sql: string[] = [];
  for (let at = 0; at < selects.length; at += sequencesPerCopy) {
    sql.push(`COPY (${selects.slice(at, at + sequencesPerCopy).join(' UNION ALL ')}) TO STDOUT`);
  }
  return [special('/sequences', rows.length * 60, { kind: 'copies', sql, name: 'the sequences' }, true)];
}

const sequencesQuery = `
SELECT n.nspname AS schema, c.relname AS name,
       pg_catalog.has_sequence_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS readable
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND ${userSchemas}
   AND (c.oid IN (SELECT pg_catalog.unnest(extconfig) FROM pg_catalog.pg_extension) OR NOT EXISTS (
     SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.deptype = 'e'))
 ORDER BY n.nspname, c.relname`;

/** Ranges of large objects are not finer than this many numbers. */
const rangeBitsMin = 10;
const rangeBitsMax = 32;
const rangeBytes = 32 * 1024 * 1024;
const rangesMax = 1000;

/**
 * `/large-objects/@a-b`: rows `[oid, page number, bytes in hexadecimal]`, in order; `/large-object-owners`: rows
 * `[oid, owner, acl or null, comment or null]`, of every one, also of those without a page.
 */
async function planLargeObjects(session: Session): Promise<readonly ChunkPlan[]> {
  const buckets = await session.rows<{ bucket: number; count: number }>(
    `SELECT (oid::int8 >> ${rangeBitsMin})::int4 AS bucket, pg_catalog.count(*)::int4 AS count
       FROM pg_catalog.pg_largeobject_metadata GROUP BY 1 ORDER BY 1`,
    undefined,
    'listing the large objects',
  );
  if (buckets.length === 0) return [];
  const [facts] = await session.rows<{ bytes: string; readable: boolean }>(
    `SELECT pg_catalog.pg_relation_size('pg_catalog.pg_largeobject') AS bytes,
            pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') AS readable`,
  );
  if (!facts?.readable) throw denial(session, 'the large objects');
  const bytes = Number(facts.bytes);
  const count = buckets.reduce((sum, each) => sum + each.count, 0);
  const chunks = largeObjectRanges(buckets, bytes).map(({ from, to, count: within }) => {
    const path = `/large-objects/@${from}-${to}`;
    const sql = `COPY (SELECT loid, pageno, data FROM pg_catalog.pg_largeobject WHERE loid >= ${from} AND loid <= ${to} ORDER BY loid, pageno) TO STDOUT`;
    // A byte prints as two digits.
    return special(path, (2 * bytes * within) / count, { kind: 'copy', sql, name: path.slice(1) }, false);
  });
  const owners = `COPY (SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner), m.lomacl::text, pg_catalog.obj_description(m.oid, 'pg_largeobject') FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid) TO STDOUT`;
  chunks.push(
    special(
      '/large-object-owners',
      count * 40,
      { kind: 'copy', sql: owners, name: 'large-object-owners' },
      false,
    ),
  );
  return chunks;
}

/**
 * Ranges of oids, each as wide as a power of two and beginning at a multiple of it: the widest for which there are
 * enough ranges for the size. As long as the size does not change much, an incremental plans the ranges of its
 * predecessor; else it has to say that the old ones are void.
 */
export function largeObjectRanges(
  buckets: readonly { readonly bucket: number; readonly count: number }[],
  bytes: number,
): readonly { readonly from: number; readonly to: number; readonly count: number }[] {
  const wanted = Math.min(rangesMax, Math.ceil(bytes / rangeBytes));
  for (let bits = rangeBitsMax; ; bits--) {
    const width = 2 ** bits;
    const counts = new Map<number, number>();
    for (const { bucket, count } of buckets) {
      const range = Math.floor((bucket * 2 ** rangeBitsMin) / width);
      counts.set(range, (counts.get(range) ?? 0) + count);
    }
    if (counts.size >= wanted || bits === rangeBitsMin) {
      return [...counts].map(([range, count]) => ({
        from: range * width,
        to: (range + 1) * width - 1,
        count,
      }));
    }
  }
}

function special(path: string, bytes: number, how: How, local: boolean): ChunkPlan {
  return { path, kind: 'special', columns: [], estimatedBytes: Math.round(bytes), local, compare: true, how };
}

function denial(session: Session, what: string): HoldfastError {
  const { user } = session.target;
  return new HoldfastError('permission_denied', `user ${user} may not read ${what} (${session.where})`, {
    hint: `GRANT pg_read_all_data TO "${user}" (PostgreSQL 14 and later), or use a superuser`,
  });
}

import { createHash } from 'node:crypto';
import { quoteIdentifier } from '../full/names.ts';
import type { Session } from '../session/session.ts';

/**
 * Catalogs that say nothing about the schema, change with every statement, or get a condition below: those that all
 * databases of a server share are written by what happens in the others, too.
 */
const leftOut = [
  'pg_class',
  'pg_attribute',
  'pg_type',
  'pg_attrdef',
  'pg_constraint',
  'pg_index',
  'pg_namespace',
  'pg_database',
  'pg_db_role_setting',
  'pg_shdescription',
  'pg_shseclabel',
  'pg_parameter_acl',
  'pg_depend',
  'pg_shdepend',
  'pg_statistic',
  'pg_statistic_ext_data',
  'pg_largeobject',
  'pg_largeobject_metadata',
  'pg_replication_origin',
  'pg_subscription',
  'pg_subscription_rel',
  'pg_tablespace',
  'pg_authid',
  'pg_auth_members',
];

const lasting = `IN (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S'))`;
const thisDatabase =
  '(SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())';
const written =
  'pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashint8(x.xmin::text::int8)) AS hash';

/**
 * Rows of temporary tables come and go without meaning anything, and so do those of TOAST tables. Of pg_class what
 * counts is what it says: TRUNCATE, VACUUM FULL and REFRESH write its rows, too.
 */
const conditional = [
  `SELECT 'pg_class', pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(' ', c.relname,
     c.relnamespace, c.reloftype, c.relowner, c.relam, c.reltablespace, c.relpersistence, c.relkind, c.relchecks,
     c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relreplident, c.relispartition, c.relacl,
     c.reloptions, c.relpartbound))) AS hash
   FROM pg_catalog.pg_class c WHERE c.relpersistence <> 't' AND c.relkind <> 't' AND c.relnamespace <> 'pg_toast'::pg_catalog.regnamespace`,
  `SELECT 'pg_attribute', ${written} FROM pg_catalog.pg_attribute x WHERE x.attnum > 0 AND x.attrelid ${lasting}`,
  `SELECT 'pg_attrdef', ${written} FROM pg_catalog.pg_attrdef x WHERE x.adrelid ${lasting}`,
  `SELECT 'pg_constraint', ${written} FROM pg_catalog.pg_constraint x WHERE x.conrelid = 0 OR x.conrelid ${lasting}`,
  `SELECT 'pg_index', ${written} FROM pg_catalog.pg_index x WHERE x.indrelid ${lasting}`,
  `SELECT 'pg_type', ${written} FROM pg_catalog.pg_type x
    WHERE x.typnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(temp|toast)')`,
  `SELECT 'pg_namespace', ${written} FROM pg_catalog.pg_namespace x WHERE x.nspname !~ '^pg_(temp|toast)'`,
  `SELECT 'pg_database', ${written} FROM pg_catalog.pg_database x WHERE x.datname = pg_catalog.current_database()`,
  `SELECT 'pg_db_role_setting', ${written} FROM pg_catalog.pg_db_role_setting x WHERE x.setdatabase = ${thisDatabase}`,
  `SELECT 'pg_shdescription', ${written} FROM pg_catalog.pg_shdescription x
    WHERE x.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND x.objoid = ${thisDatabase}`,
  `SELECT 'pg_depend', pg_catalog.count(*) AS rows, pg_catalog.sum(pg_catalog.hashint8(x.objid::int8)) AS hash
     FROM pg_catalog.pg_depend x WHERE x.deptype = 'e'`,
];

/**
 * Changes when anything may have changed that a dump of the schema shows. A false alarm costs a run of pg_dump, whose
 * output is compared anyway; so it may come now and then, and an oversight may not.
 */
export async function readCatalogSignature(session: Session): Promise<string> {
  const catalogs = await session.rows<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_class c
      WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind = 'r'
        AND c.relname <> ALL ($1::text[]) AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
      ORDER BY 1`,
    [leftOut],
    'listing the catalogs',
  );
  const plain = catalogs.map(
    ({ name }) => `SELECT '${name}', ${written} FROM pg_catalog.${quoteIdentifier(name)} x`,
  );
  const rows = await session.rows<{ signature: string }>(
    `SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', s.name, s.rows, s.hash), ';' ORDER BY s.name) AS signature
       FROM (${[...conditional, ...plain].join(' UNION ALL ')}) s(name, rows, hash)`,
    undefined,
    'reading the signature of the catalogs',
  );
  return shortHash(rows[0]?.signature ?? '');
}

/** Empty: there are none. Null: this user may not look into them. */
export async function readLargeObjectSignature(session: Session): Promise<string | null> {
  const [facts] = await session.rows<{ some: boolean; readable: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) AS some,
            pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') AS readable`,
  );
  if (!facts?.some) return '';
  if (!facts.readable) return null;
  const [row] = await session.rows<{ signature: string }>(
    `SELECT pg_catalog.concat_ws(' ', m.rows, m.hash, d.rows, d.hash) AS signature
       FROM (SELECT ${written} FROM pg_catalog.pg_largeobject_metadata x) m,
            (SELECT ${written} FROM pg_catalog.pg_largeobject x) d`,
    undefined,
    'looking whether large objects changed',
  );
  return shortHash(row?.signature ?? '');
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

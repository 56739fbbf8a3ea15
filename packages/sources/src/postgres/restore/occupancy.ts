import type { Session } from '../session/session.ts';

/** How many things are named before the rest is only counted. */
const namedMax = 5;

/**
 * Everything in a database that its template did not bring, in a person's words: `table public.orders`. What belongs
 * to an extension is covered by the extension; a schema `public` made anew is as good as the first.
 */
const query = `
  WITH own(class, object, what) AS (
    SELECT 'pg_class'::regclass, c.oid, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'sequence' END
        || ' ' || n.nspname || '.' || c.relname
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, 'function ' || n.nspname || '.' || p.proname
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_temp'
    UNION ALL SELECT 'pg_type'::regclass, t.oid, 'type ' || n.nspname || '.' || t.typname
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE t.typcategory <> 'A' AND n.nspname !~ '^pg_(toast|temp)' AND (t.typtype IN ('b', 'd', 'e', 'r')
        OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL SELECT 'pg_operator'::regclass, oid, 'operator ' || oprname FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, 'operator class ' || opcname FROM pg_opclass
    UNION ALL SELECT 'pg_collation'::regclass, oid, 'collation ' || collname FROM pg_collation
      WHERE collnamespace <> 'pg_catalog'::regnamespace
    UNION ALL SELECT 'pg_cast'::regclass, oid, 'cast' FROM pg_cast
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, 'text search configuration ' || cfgname FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 'text search dictionary ' || dictname FROM pg_ts_dict
    UNION ALL SELECT 'pg_language'::regclass, oid, 'language ' || lanname FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 'foreign data wrapper ' || fdwname
      FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 'server ' || srvname FROM pg_foreign_server
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 'schema ' || nspname FROM pg_namespace
      WHERE nspname <> 'public' AND nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT 'pg_extension'::regclass, oid, 'extension ' || extname FROM pg_extension
      WHERE extname <> 'plpgsql'
    UNION ALL SELECT 'pg_largeobject'::regclass, oid, 'large object ' || oid FROM pg_largeobject_metadata
    UNION ALL SELECT 'pg_publication'::regclass, oid, 'publication ' || pubname FROM pg_publication
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 'event trigger ' || evtname FROM pg_event_trigger
    UNION ALL SELECT 'pg_default_acl'::regclass, oid, 'default privileges' FROM pg_default_acl
  )
  SELECT what, count(*) OVER ()::int AS total FROM own
  -- Below 16384 are the objects that initdb makes; large objects may have any number, and it makes none.
  WHERE (object >= 16384::oid OR class = 'pg_largeobject'::regclass) AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = own.class AND d.objid = own.object AND d.deptype IN ('e', 'i'))
  ORDER BY (what LIKE 'table %') DESC, (what LIKE 'schema %') DESC, what LIMIT ${namedMax}`;

/** In words what a database holds: `table public.a, view public.b and 7 more`. Undefined: it is empty. */
export async function describeContents(session: Session): Promise<string | undefined> {
  const found = await session.rows<{ what: string; total: number }>(
    query,
    undefined,
    'looking what is there',
  );
  const [first] = found;
  if (first === undefined) return undefined;
  const more = first.total - found.length;
  return found.map((each) => each.what).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresServer } from '@holdfast/testing';

const dumpBytesMax = 100_000_000;

/** What PostgreSQL's own pg_dump says of a database's schema, without the key that it draws by lot for each dump. */
export async function dumpedSchema(server: PostgresServer, database: string): Promise<readonly string[]> {
  const program = join(server.installation.binFolder, 'pg_dump');
  const { stdout } = await promisify(execFile)(program, ['--schema-only', '-d', server.url(database)], {
    maxBuffer: dumpBytesMax,
  });
  return stdout.split('\n').filter((line) => !/^\\(un)?restrict /.test(line));
}

/** What is neither a row of a table nor in a schema's dump: sequences, large objects, filled views, the database itself. */
export async function besidesRows(server: PostgresServer, database: string): Promise<readonly string[]> {
  return (await server.psql(database, besidesQuery)).split('\n');
}

const besidesQuery = `
  SELECT 'sequence ' || s.oid::regclass || ' ' || coalesce(pg_sequence_last_value(s.oid)::text, 'not called') FROM pg_class s WHERE relkind = 'S'
  UNION ALL SELECT 'large object ' || m.oid || ' ' || m.lomowner::regrole || ' ' || coalesce(m.lomacl::text, '') || ' ' || md5(lo_get(m.oid))
              || ' ' || coalesce(obj_description(m.oid, 'pg_largeobject'), '') FROM pg_largeobject_metadata m
  UNION ALL SELECT 'view ' || c.oid::regclass || ' ' || c.relispopulated || ' ' || CASE WHEN c.relispopulated THEN
              query_to_xml(format('SELECT * FROM %s', c.oid::regclass), true, true, '')::text ELSE '' END FROM pg_class c WHERE c.relkind = 'm'
  UNION ALL SELECT 'database ' || concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, datdba::regrole, datconnlimit,
              ARRAY(SELECT x::text FROM unnest(coalesce(datacl, acldefault('d', datdba))) x ORDER BY 1)::text,
              shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT 'setting ' || setconfig::text || ' ' || setrole FROM pg_db_role_setting
             WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  ORDER BY 1`;

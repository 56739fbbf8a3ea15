import type { PostgresServer } from '@holdfast/testing';

/** Of the whole server: what a command could leave behind outside the database that it was given. */
const serverQuery = `
  SELECT 'database ' || d.datname || ' ' || d.datconnlimit || ' ' || coalesce(shobj_description(d.oid, 'pg_database'), '') FROM pg_database d
  UNION ALL SELECT 'role ' || rolname || ' ' || rolsuper || rolcreatedb || rolreplication FROM pg_roles WHERE rolname !~ '^pg_'
  UNION ALL SELECT 'slot ' || slot_name || ' of ' || coalesce(database, '-') || ' ' || temporary FROM pg_replication_slots
  UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
  UNION ALL SELECT 'tablespace ' || spcname FROM pg_tablespace
  UNION ALL SELECT 'setting ' || name || ' = ' || coalesce(setting, '') FROM pg_settings WHERE source = 'configuration file' AND name <> 'port'
  ORDER BY 1`;

/** Of one database: its objects, and the rows of its tables as a checksum each is not among them. */
const databaseQuery = `
  SELECT 'relation ' || c.relkind::text || ' ' || n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)'
  UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
  UNION ALL SELECT 'publication ' || pubname FROM pg_publication
  UNION ALL SELECT 'extension ' || extname FROM pg_extension
  ORDER BY 1`;

/** Everything on a server that one of our commands could have made, in every database that takes connections. */
export async function stateOf(server: PostgresServer): Promise<readonly string[]> {
  const state = lines(await server.psql('postgres', serverQuery));
  const databases = lines(
    await server.psql('postgres', 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1'),
  );
  for (const database of databases) {
    const objects = lines(await server.psql(database, databaseQuery));
    state.push(...objects.map((object) => `${database}: ${object}`));
  }
  return state;
}

/** Names of the replication slots of a database. */
export async function slotsOf(server: PostgresServer, database: string): Promise<readonly string[]> {
  return lines(
    await server.psql(
      'postgres',
      `SELECT slot_name FROM pg_replication_slots WHERE database = '${database}' ORDER BY 1`,
    ),
  );
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

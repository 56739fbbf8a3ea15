import { randomBytes } from 'node:crypto';
import { quoteName, runPsql } from './run-psql.ts';

/** A database of its own for one test, on a server that many tests share. */
export interface TemporaryDatabase extends AsyncDisposable {
  readonly name: string;
  /** Connection URL of this database, as the user of the server's URL. */
  readonly url: string;
  /** Runs statements here; see `runPsql` for the form of the answer. */
  psql(sql: string): Promise<string>;
}

/** The URL with another database in it. */
function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/**
 * Creates an empty database on the server behind `serverUrl` (for example `inject('postgres')`). Disposing it ends the
 * connections that are left and drops it together with its replication slots.
 */
export async function temporaryDatabase(serverUrl: string, prefix = 'test'): Promise<TemporaryDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  await runPsql(serverUrl, `CREATE DATABASE ${quoteName(name)}`);
  const url = withDatabase(serverUrl, name);
  return {
    name,
    url,
    psql: (sql) => runPsql(url, sql),
    [Symbol.asyncDispose]: async () => {
      // A slot in use keeps its database: end its reader first. FORCE does the same for ordinary connections.
      const endReaders = `SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
        WHERE database = '${name}' AND active_pid IS NOT NULL`;
      await runPsql(serverUrl, `${endReaders};\nDROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`);
    },
  };
}

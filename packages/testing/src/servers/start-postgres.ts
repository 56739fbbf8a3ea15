import { appendFile, chmod, chown, lchown, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { newestPostgres, type PostgresInstallation } from './postgres-installation.ts';
import { PostgresServer, type PostgresServerParts, type PostgresSettings } from './postgres-server.ts';
import { runProgram } from './run-program.ts';
import { type ServerAccount, serverAccount, serverFolder } from './server-account.ts';

export interface PostgresOptions {
  /** Major version; by default the newest that is installed (with `dataFolder`: the one that it was made by). */
  readonly major?: number;
  /** Over `testSettings`. */
  readonly settings?: PostgresSettings;
  /** Lines of pg_hba.conf before the ones that let everyone on this machine in without a password. */
  readonly accessRules?: readonly string[];
  /**
   * A data folder to start on, such as one that was just restored, instead of a new one. It becomes the property of
   * the server's user and is left in place when the server is removed. Its own files decide who is let in; only
   * `settings` and where to listen are given from here, not `testSettings`.
   */
  readonly dataFolder?: string;
  /** How long a start may take, crash recovery included; 30 s by default. */
  readonly readyMsMax?: number;
}

/** What tests want of a server: logical decoding, room for many slots and sessions, and no waiting for the disk. */
export const testSettings: PostgresSettings = {
  wal_level: 'logical',
  max_replication_slots: 20,
  max_wal_senders: 20,
  max_connections: 200,
  max_locks_per_transaction: 256,
  fsync: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The default leaves segments in /dev/shm for ever when the server is killed.
  dynamic_shared_memory_type: 'mmap',
};

const portAttemptsMax = 5;

/** As in postgresql.conf, where a quote inside a value is doubled. */
function settingLines(settings: PostgresSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('');
}

/** Starts a server on a free port, and on another one if somebody was quicker. */
export async function startOnFreePort(parts: Omit<PostgresServerParts, 'port'>): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt++) {
    const server = new PostgresServer({ ...parts, port: await freePort() });
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = String(error).includes('could not create any TCP/IP sockets');
      if (taken && attempt < portAttemptsMax) continue;
      await server.remove();
      throw error;
    }
  }
}

async function makeCluster(
  installation: PostgresInstallation,
  account: ServerAccount,
  dataFolder: string,
  options: PostgresOptions,
): Promise<void> {
  const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';
  const args = ['-D', dataFolder, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', `--locale=${locale}`];
  const initdb = join(installation.binFolder, 'initdb');
  await runProgram(initdb, [...args, '--data-checksums', '--no-sync'], {
    account,
    folder: join(dataFolder, '..'),
  });
  // In the file and not on the command line, which ALTER SYSTEM could not change and a base backup would not contain.
  await appendFile(
    join(dataFolder, 'postgresql.conf'),
    settingLines({ ...testSettings, ...options.settings }),
  );
  const access = join(dataFolder, 'pg_hba.conf');
  const rules = (options.accessRules ?? []).map((line) => `${line}\n`).join('');
  await writeFile(access, rules + (await readFile(access, 'utf8')));
}

/** Gives an existing data folder to the server's user, with the mode that PostgreSQL insists on. */
async function adopt(dataFolder: string, { uid, gid }: ServerAccount): Promise<void> {
  await chmod(dataFolder, 0o700);
  if (uid === undefined || gid === undefined) return;
  await chown(dataFolder, uid, gid);
  for (const entry of await readdir(dataFolder, { recursive: true })) {
    await lchown(join(dataFolder, entry), uid, gid);
  }
}

/** Starts a private PostgreSQL server with an empty cluster, or on `dataFolder`. User postgres needs no password. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { dataFolder } = options;
  const madeBy =
    dataFolder === undefined ? undefined : await readFile(join(dataFolder, 'PG_VERSION'), 'utf8');
  const installation = await newestPostgres(
    options.major ?? (madeBy === undefined ? undefined : Number(madeBy)),
  );
  const account = await serverAccount('postgres');
  const folder = await serverFolder('holdfast-pg', account);
  if (dataFolder === undefined) await makeCluster(installation, account, join(folder, 'data'), options);
  else await adopt(dataFolder, account);
  return await startOnFreePort({
    installation,
    account,
    folder,
    dataFolder: dataFolder ?? join(folder, 'data'),
    settings: dataFolder === undefined ? {} : (options.settings ?? {}),
    readyMsMax: options.readyMsMax ?? 30_000,
  });
}

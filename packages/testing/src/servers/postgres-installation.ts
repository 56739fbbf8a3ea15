import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One installed PostgreSQL: where its programs are and what it calls itself. */
export interface PostgresInstallation {
  /** The folder of `postgres`, `initdb`, `psql`, `pg_basebackup` and the rest. */
  readonly binFolder: string;
  /** Such as 15. */
  readonly major: number;
  /** Such as `15.18`. */
  readonly version: string;
}

/** Where distributions put the servers of several versions side by side: [folder, the part before `/bin`]. */
const places: readonly (readonly [folder: string, name: RegExp])[] = [
  ['/usr/lib/postgresql', /^\d+$/],
  ['/usr', /^pgsql-\d+$/],
  ['/opt/homebrew/opt', /^postgresql@\d+$/],
  ['/usr/local/opt', /^postgresql@\d+$/],
];

async function describe(binFolder: string): Promise<PostgresInstallation | undefined> {
  try {
    await access(join(binFolder, 'initdb'));
    const { stdout } = await run(join(binFolder, 'postgres'), ['--version']);
    const version = /\(PostgreSQL\) (\d+)(\S*)/.exec(stdout);
    if (version === null) return undefined;
    return { binFolder, major: Number(version[1]), version: `${version[1]}${version[2]}` };
  } catch {
    return undefined;
  }
}

/** Every PostgreSQL server installed on this machine, the newest first. */
export async function findPostgres(): Promise<PostgresInstallation[]> {
  const folders: string[] = [];
  for (const [folder, name] of places) {
    const entries = await readdir(folder).catch(() => []);
    folders.push(...entries.filter((entry) => name.test(entry)).map((entry) => join(folder, entry, 'bin')));
  }
  const found = await Promise.all(folders.map(describe));
  return found.filter((one) => one !== undefined).sort((a, b) => b.major - a.major);
}

/** The newest PostgreSQL of this machine, or its PostgreSQL of that major version. */
export async function newestPostgres(major?: number): Promise<PostgresInstallation> {
  const found = (await findPostgres()).find((one) => major === undefined || one.major === major);
  if (found !== undefined) return found;
  throw new Error(
    `no PostgreSQL${major === undefined ? '' : ` ${major}`} server is installed: run \`apt-get install postgresql${major === undefined ? '' : `-${major}`}\``,
  );
}

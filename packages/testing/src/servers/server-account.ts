import { chown, mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The user a server process runs as; empty means "as we do". Spread it into the options of `spawn`. */
export interface ServerAccount {
  readonly uid?: number;
  readonly gid?: number;
}

/** The system user `name` when we are root (PostgreSQL refuses to run as root), otherwise whoever we are. */
export async function serverAccount(name: string): Promise<ServerAccount> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = (line ?? '').split(':').map(Number);
  if (uid === undefined || gid === undefined) {
    throw new Error(`no system user "${name}": install the Debian package of the server first`);
  }
  return { uid, gid };
}

/** Whether users other than the owner can enter the folder and everything above it. */
async function canBeEnteredByAll(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/**
 * An empty folder that belongs to the account. It lies in the machine's place for temporary files, or in /tmp when
 * that one is unusable: closed to the account, or so long that a socket in it would pass the limit of 107 bytes.
 */
export async function serverFolder(prefix: string, account: ServerAccount): Promise<string> {
  const socketNameMax = '/.s.PGSQL.65535.lock'.length;
  const preferred = tmpdir();
  const short = join(preferred, `${prefix}-XXXXXX`).length + socketNameMax <= 107;
  const usable = short && (account.uid === undefined || (await canBeEnteredByAll(preferred)));
  const folder = await mkdtemp(join(usable ? preferred : '/tmp', `${prefix}-`));
  if (account.uid !== undefined && account.gid !== undefined) await chown(folder, account.uid, account.gid);
  return folder;
}

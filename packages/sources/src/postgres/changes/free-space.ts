import { statfs } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Session } from '../session/session.ts';

/** Free bytes where the server keeps its log, if it is on this machine and lets us know where that is. */
export async function freeBytesAtServer(session: Session): Promise<number | undefined> {
  const { host } = session.wire.host;
  const here =
    host.startsWith('/') || host === 'localhost' || (isIP(host) !== 0 && /^(127\.|::1$)/.test(host));
  if (!here) return undefined;
  const [row] = await session.rows<{ folder: string }>(
    `SELECT setting AS folder FROM pg_catalog.pg_settings WHERE name = 'data_directory'`,
  );
  if (!row) return undefined;
  // The log may lie on a disk of its own; whoever may not look into the folder still sees the folder.
  for (const folder of [`${row.folder}/pg_wal`, row.folder]) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      // 127.0.0.1 may lead through a tunnel or into a container: then there is no such folder here.
    }
  }
  return undefined;
}

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Sig } from '@holdfast/core';
import { translate } from './errors.ts';
import { Frozen, type FrozenDatabase } from './freeze.ts';
import { quoteName, quoteText } from './names.ts';
import { PageFile } from './page-file.ts';

/** Up to here a database without a WAL is read while its writers wait: it takes less than the blink of an eye. */
export const directMaxBytes = 64 * 1024 * 1024;

const reserveMaxBytes = 512 * 1024 * 1024;

/** Without a WAL, a reader keeps writers from committing; a large database is copied first, as fast as disks go. */
export function wantsCopy(frozen: Frozen): boolean {
  const sizeBytes = sizeOf(frozen.databases);
  return frozen.databases.some((one) => one.journal === 'rollback') && sizeBytes > directMaxBytes;
}

function sizeOf(databases: readonly FrozenDatabase[]): number {
  return databases.reduce((sum, { image }) => sum + image.pageCount * image.pageSize, 0);
}

/**
 * The same view, from a copy in the folder for temporary files, so that the source is free again. Undefined, with the
 * reason, where there is no room: then the source itself is read.
 */
export function copyView(
  frozen: Frozen,
  o: Sig & { readonly notice: (text: string) => void },
): Frozen | undefined {
  const folder = tmpdir();
  const sizeBytes = sizeOf(frozen.databases);
  const stat = statfsSync(folder);
  const freeBytes = stat.bavail * stat.bsize;
  if (freeBytes < sizeBytes + Math.min(reserveMaxBytes, sizeBytes / 100)) {
    o.notice(
      `the database is not in WAL mode, and a copy needs ${sizeBytes} bytes where ${folder} has ${freeBytes} free: writers wait until the backup has been read (set TMPDIR to a folder with room, or use WAL mode)`,
    );
    return undefined;
  }
  const fds: number[] = [];
  const paths: string[] = [];
  let db: DatabaseSync | undefined;
  const close = (): void => {
    db?.close();
    for (const fd of fds) closeSync(fd);
    for (const path of paths) rmSync(path, { force: true });
  };
  try {
    for (const one of frozen.databases) {
      const path = join(folder, `holdfast-${randomBytes(8).toString('hex')}.db`);
      paths.push(path);
      const fd = openSync(path, 'wx+', 0o600);
      fds.push(fd);
      copyPages(one, fd, o);
    }
    db = new DatabaseSync(String(paths[0]), { enableForeignKeyConstraints: false });
    for (const [index, one] of frozen.databases.entries()) {
      if (index > 0) db.exec(`ATTACH ${quoteText(String(paths[index]))} AS ${quoteName(one.name)}`);
    }
    db.exec('PRAGMA query_only=ON; BEGIN');
    for (const one of frozen.databases)
      db.prepare(`SELECT 1 FROM ${quoteName(one.name)}.sqlite_schema`).get();
    o.notice(
      'the database is not in WAL mode: it was copied first, so that its writers waited only for that',
    );
    // The descriptors keep the copies; a crash leaves nothing.
    for (const path of paths) rmSync(path);
    const databases = frozen.databases.map((one, index): FrozenDatabase => {
      const { walFd: _wal, frames: _frames, ...image } = one.image;
      return { ...one, image: { ...image, fd: fds[index] ?? -1 } };
    });
    return new Frozen(db, databases, close);
  } catch (caught) {
    close();
    throw translate(caught, `cannot copy the database to ${folder}`);
  }
}

function copyPages({ image }: FrozenDatabase, fd: number, o: Sig): void {
  const file = new PageFile(image, new ArrayBuffer(PageFile.roomBytes), 0);
  for (let page = 1; page <= image.pageCount; page++) {
    if (page % 4096 === 0) o.signal.throwIfAborted();
    writeSync(fd, file.bytes, file.page(page), image.pageSize, (page - 1) * image.pageSize);
  }
}

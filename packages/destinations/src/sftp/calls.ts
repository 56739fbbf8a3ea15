import ssh2, { type FileEntryWithStats, type Stats } from 'ssh2';
import { type DiskState, status, statusOf } from './errors.ts';
import type { Lease } from './pool.ts';

/** Backups hold what the database holds: nothing for everybody. */
const fileMode = 0o640;
const folderMode = 0o750;
/** Of `statvfs`: the file system is mounted for reading only. */
const readOnlyFlag = 1;

/** What is there, links not followed; undefined when nothing is. */
export async function lstat(lease: Lease, path: string): Promise<Stats | undefined> {
  return unlessMissing(lease.call<Stats>((sftp, done) => sftp.lstat(path, done)));
}

/** The same, links followed. */
export async function stat(lease: Lease, path: string): Promise<Stats | undefined> {
  return unlessMissing(lease.call<Stats>((sftp, done) => sftp.stat(path, done)));
}

/** For writing only, as all that follow: there are logins that may write and not read. Fails when the name is taken. */
export function openNew(lease: Lease, path: string): Promise<Buffer> {
  return lease.call<Buffer>((sftp, done) => sftp.open(path, 'wx', { mode: fileMode }, done));
}

/** What is in the file stays. */
export function openToWrite(lease: Lease, path: string): Promise<Buffer> {
  return lease.call<Buffer>((sftp, done) => sftp.open(path, ssh2.utils.sftp.OPEN_MODE.WRITE, done));
}

export function openToRead(lease: Lease, path: string): Promise<Buffer> {
  return lease.call<Buffer>((sftp, done) => sftp.open(path, 'r', done));
}

export async function close(lease: Lease, handle: Buffer): Promise<void> {
  await lease.call((sftp, done) => sftp.close(handle, done));
}

export function fstat(lease: Lease, handle: Buffer): Promise<Stats> {
  return lease.call<Stats>((sftp, done) => sftp.fstat(handle, done));
}

async function fsync(lease: Lease, handle: Buffer): Promise<void> {
  await lease.call((sftp, done) => sftp.ext_openssh_fsync(handle, done));
}

/**
 * Puts what was written on the server's disk, says how much it is, and closes the file, whatever comes of it. In one
 * round trip where the server can be asked to: those that can work in the order in which they were asked.
 */
export async function finishFile(lease: Lease, handle: Buffer): Promise<Stats> {
  if (!lease.connection.extensions.fsync) {
    const [found] = await Promise.allSettled([fstat(lease, handle)]);
    await close(lease, handle);
    if (found.status === 'rejected') throw found.reason;
    return found.value;
  }
  const [synced, found, closed] = await Promise.allSettled([
    fsync(lease, handle),
    fstat(lease, handle),
    close(lease, handle),
  ]);
  if (synced.status === 'rejected') throw synced.reason;
  if (found.status === 'rejected') throw found.reason;
  if (closed.status === 'rejected') throw closed.reason;
  return found.value;
}

/** The block's bytes are copied before this returns its promise. */
export async function write(lease: Lease, handle: Buffer, o: { block: Buffer; at: number }): Promise<void> {
  await lease.call((sftp, done) => sftp.write(handle, o.block, 0, o.block.length, o.at, done));
}

/** Fills the block as far as the server gives bytes; how many, 0 at the end of the file. */
export function read(lease: Lease, handle: Buffer, o: { block: Buffer; at: number }): Promise<number> {
  return lease.call<number>((sftp, done) => {
    sftp.read(handle, o.block, 0, o.block.length, o.at, (error, bytes) => done(error, bytes));
  });
}

/** Says whether there was one. */
export async function unlink(lease: Lease, path: string): Promise<boolean> {
  const gone = lease.call((sftp, done) => sftp.unlink(path, done)).then(() => true);
  return (await unlessMissing(gone)) ?? false;
}

export async function rmdir(lease: Lease, path: string): Promise<void> {
  await lease.call((sftp, done) => sftp.rmdir(path, done));
}

export async function mkdir(lease: Lease, path: string): Promise<void> {
  await lease.call((sftp, done) => sftp.mkdir(path, { mode: folderMode }, done));
}

export async function rename(lease: Lease, from: string, to: string): Promise<void> {
  await lease.call((sftp, done) => sftp.rename(from, to, done));
}

export async function posixRename(lease: Lease, from: string, to: string): Promise<void> {
  await lease.call((sftp, done) => sftp.ext_openssh_rename(from, to, done));
}

export async function hardlink(lease: Lease, from: string, to: string): Promise<void> {
  await lease.call((sftp, done) => sftp.ext_openssh_hardlink(from, to, done));
}

/** Undefined when there is no such folder. */
export async function entriesOf(lease: Lease, folder: string): Promise<FileEntryWithStats[] | undefined> {
  const entries = await unlessMissing(
    lease.call<FileEntryWithStats[]>((sftp, done) => sftp.readdir(folder, done)),
  );
  return entries?.filter(({ filename }) => filename !== '.' && filename !== '..');
}

export interface DiskSpace extends DiskState {
  readonly totalBytes: number;
}

/** Undefined where the server cannot be asked. */
export async function diskSpace(lease: Lease, path: string): Promise<DiskSpace | undefined> {
  if (!lease.connection.extensions.statvfs) return undefined;
  try {
    const found = await lease.call<Record<string, unknown>>((sftp, done) =>
      sftp.ext_openssh_statvfs(path, done),
    );
    const number = (name: string): number => Number(found[name] ?? 0);
    const blockBytes = number('f_frsize') || number('f_bsize');
    return {
      freeBytes: number('f_bavail') * blockBytes,
      totalBytes: number('f_blocks') * blockBytes,
      readOnly: (number('f_flag') & readOnlyFlag) !== 0,
    };
  } catch {
    // Only asked to say more of something else.
    return undefined;
  }
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (statusOf(error) === status.noSuchFile) return undefined;
    throw error;
  }
}

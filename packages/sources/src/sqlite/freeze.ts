import { fstatSync, readSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { type Clock, HoldfastError } from '@holdfast/core';
import { type DatabaseFile, databaseFiles, openConnection, pragma, whenFree } from './connection.ts';
import { guarded, translate } from './errors.ts';
import { quoteName } from './names.ts';
import type { PageImage } from './page-file.ts';
import { rawDescriptor } from './raw-files.ts';
import type { SqliteUrl } from './url.ts';
import { readWalIndex, type WalState } from './wal-index.ts';

/** How often a view is tried while commits fall between its two looks, before writers are made to wait a moment. */
const attemptsMax = 50;

export interface FreezeOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly notice: (text: string) => void;
}

/** One database inside a frozen read transaction. */
export interface FrozenDatabase extends DatabaseFile {
  readonly journal: 'wal' | 'rollback';
  readonly image: PageImage;
  readonly fingerprint: Fingerprint;
}

/** What must differ when the content does. See `unchangedSince`. */
export interface Fingerprint {
  readonly journal: 'wal' | 'rollback';
  readonly device: string;
  readonly inode: string;
  readonly sizeBytes: number;
  readonly changeCounter: number;
  readonly modifiedNs: string;
  readonly changedNs: string;
  /** Salts and last frame of the WAL; empty when it holds nothing. */
  readonly wal: string;
}

/**
 * A read transaction over all databases of a URL, at one point in time, and the page images from which any number
 * of threads read that point. The transaction is what keeps the pages in place: writers go on, in WAL mode.
 */
export class Frozen implements Disposable {
  readonly db: DatabaseSync;
  readonly databases: readonly FrozenDatabase[];
  readonly #close: () => void;
  #closed = false;

  constructor(db: DatabaseSync, databases: readonly FrozenDatabase[], close: () => void) {
    this.db = db;
    this.databases = databases;
    this.#close = close;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#close();
  }
}

/** One database's files, as they are read beside SQLite. */
class RawFiles {
  readonly file: DatabaseFile;
  readonly fd: number;

  constructor(file: DatabaseFile) {
    this.file = file;
    this.fd = rawDescriptor(file.path);
  }

  walFd(): number {
    return rawDescriptor(`${this.file.path}-wal`);
  }

  /** A WAL-index lives as long as someone has the database open, which we have. */
  shmFd(): number {
    return rawDescriptor(`${this.file.path}-shm`);
  }
}

export async function freeze(url: SqliteUrl, o: FreezeOptions): Promise<Frozen> {
  const db = openConnection(url, { write: false });
  const raws: RawFiles[] = [];
  const close = (): void => {
    db.close();
  };
  try {
    const files = databaseFiles(url);
    for (const file of files) raws.push(guarded(`cannot read ${file.path}`, () => new RawFiles(file)));
    const waits = { ...o, timeoutMs: url.busyTimeoutMs };
    for (let attempt = 0; ; attempt++) {
      o.signal.throwIfAborted();
      const what = `cannot begin to read ${url.path}`;
      // The first look makes SQLite open the WAL and its index.
      const modes = await whenFree(() => files.map((file) => look(db, file)), { ...waits, what });
      const before = raws.map((raw, index) => walOf(raw, modes[index]));
      const begin = (): void => {
        try {
          db.exec('BEGIN');
          for (const file of files) look(db, file);
        } catch (caught) {
          if (db.isTransaction) db.exec('ROLLBACK');
          throw caught;
        }
      };
      if (attempt < attemptsMax) await whenFree(begin, { ...waits, what });
      else await betweenCommits(url, begin, { ...waits, what });
      const databases = raws.map((raw, index) => describe(db, raw, before[index]));
      if (databases.every((one) => one !== undefined)) return new Frozen(db, databases, close);
      db.exec('ROLLBACK');
      await o.clock.sleep(attempt < 5 ? 0 : 2, o.signal);
      if (attempt > attemptsMax) {
        throw new HoldfastError(
          'unavailable',
          `${url.path} changes too fast for a point in time to be found`,
          {
            hint: 'try again when fewer transactions are committed',
          },
        );
      }
    }
  } catch (caught) {
    close();
    throw translate(caught, `cannot read ${url.path}`);
  }
}

/** Reads the schema, which takes the shared lock, and says whether the database is in WAL mode. */
function look(db: DatabaseSync, file: DatabaseFile): boolean {
  db.prepare(`SELECT 1 FROM ${quoteName(file.name)}.sqlite_schema LIMIT 1`).get();
  return pragma(db, file.name, 'journal_mode') === 'wal';
}

/** Makes writers wait for the moment in which the view begins; they use their own busy timeout for it. */
async function betweenCommits(
  url: SqliteUrl,
  begin: () => void,
  o: Parameters<typeof whenFree>[1],
): Promise<void> {
  const writer = openConnection(url, { write: true });
  try {
    await whenFree(() => {
      writer.exec('BEGIN IMMEDIATE');
      try {
        begin();
      } finally {
        writer.exec('ROLLBACK');
      }
    }, o);
  } finally {
    writer.close();
  }
}

function walOf(raw: RawFiles, isWal: boolean | undefined): WalState | undefined {
  return isWal === true ? readWalIndex(raw.shmFd()) : undefined;
}

/** Undefined when a commit fell between the look before and the transaction's begin, so that its point is unknown. */
function describe(db: DatabaseSync, raw: RawFiles, before: WalState | undefined): FrozenDatabase | undefined {
  const isWal = pragma(db, raw.file.name, 'journal_mode') === 'wal';
  const now = walOf(raw, isWal);
  if ((now === undefined) !== (before === undefined)) return undefined;
  if (now !== undefined && before !== undefined && now.header !== before.header) return undefined;
  const stat = fstatSync(raw.fd, { bigint: true });
  const inWal = now !== undefined && now.frameCount > 0;
  // When all frames are copied back already, our transaction does not pin the WAL, and a writer may begin it anew;
  // the file then holds everything, and the transaction keeps the next copying away.
  const usesWal = inWal && now.copiedBack < now.frameCount;
  const header = pageOne(raw, usesWal ? now : undefined, Number(stat.size));
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const encodings = ['utf8', 'utf8', 'utf16le', 'utf16be'] as const;
  const image: PageImage = {
    path: raw.file.path,
    fd: raw.fd,
    ...(usesWal ? { walFd: raw.walFd(), frames: now.frames(pageSize) } : {}),
    pageSize,
    usable: pageSize - (header[20] ?? 0),
    pageCount: inWal ? now.pageCount : Math.floor(Number(stat.size) / (pageSize || 1)),
    encoding: encodings[header.readUInt32BE(56)] ?? 'utf8',
  };
  const fingerprint: Fingerprint = {
    journal: isWal ? 'wal' : 'rollback',
    device: stat.dev.toString(),
    inode: stat.ino.toString(),
    sizeBytes: Number(stat.size),
    changeCounter: header.readUInt32BE(24),
    modifiedNs: stat.mtimeNs.toString(),
    changedNs: stat.ctimeNs.toString(),
    wal: inWal ? now.identity : '',
  };
  return { ...raw.file, journal: fingerprint.journal, image, fingerprint };
}

/** The database header as the transaction sees it; zeros for an empty file, which is an empty database. */
function pageOne(raw: RawFiles, wal: WalState | undefined, sizeBytes: number): Buffer {
  const header = Buffer.alloc(100);
  const frame = wal?.frameOf(1);
  if (wal !== undefined && frame !== undefined) {
    readSync(raw.walFd(), header, 0, 100, 32 + (frame - 1) * (wal.pageSize + 24) + 24);
  } else if (sizeBytes > 0) {
    readSync(raw.fd, header, 0, 100, 0);
  }
  return header;
}

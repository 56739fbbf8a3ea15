import { constants, type Dirent, lstatSync, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join, posix } from 'node:path';
import ssh2, { type Attributes, type Connection, type SFTPWrapper } from 'ssh2';

const { STATUS_CODE: status, OPEN_MODE: mode } = ssh2.utils.sftp;

export interface SftpTrouble {
  /** Once so many bytes were written to the server, over all files, what `writes` says happens. */
  afterBytes?: number | undefined;
  /**
   * `full`: an answer without a reason, as from a full disk; `silent`: the answer is yes, and nothing is stored;
   * `stall`: no answer at all; `drop`: the connection breaks.
   */
  writes?: 'full' | 'silent' | 'stall' | 'drop' | undefined;
  /** `drop`: the connection breaks instead of the answer to CLOSE; `full`: the file system says only now that it is full. */
  closes?: 'drop' | 'full' | undefined;
  /** Reading files is refused. */
  noReads?: boolean | undefined;
  /** All connections break at their next request. */
  drop?: boolean | undefined;
  /** Called when something of this happens. */
  onTrouble?: (() => void) | undefined;
}

interface OpenFile {
  readonly file?: fs.FileHandle;
  readonly entries?: { filename: string; longname: string; attrs: Attributes }[];
}

interface SessionParts {
  /** Over all sessions. */
  readonly counter: { bytesWritten: number };
  readonly root: string;
  readonly trouble: SftpTrouble;
  readonly connection: Connection;
}

type Answer =
  | number
  | Buffer
  | Attributes
  | 'nothing'
  | { readonly names: NonNullable<OpenFile['entries']> }
  | { readonly data: Buffer };

/** The server's side of one SFTP session, on a real folder. */
export class SftpSession {
  readonly #sftp: SFTPWrapper;
  readonly #parts: SessionParts;
  readonly #open = new Map<number, OpenFile>();
  #last = 0;

  constructor(sftp: SFTPWrapper, parts: SessionParts) {
    this.#sftp = sftp;
    this.#parts = parts;
    sftp.on('error', () => undefined);
    sftp.on('close', () => void this.#closeAll());
    this.#listenForPaths();
    this.#listenForHandles();
  }

  #listenForPaths(): void {
    const sftp = this.#sftp;
    sftp.on('REALPATH', (id, path) =>
      sftp.name(id, [{ filename: posix.normalize(`/${path}`), longname: '', attrs: {} as Attributes }]),
    );
    sftp.on('STAT', (id, path) =>
      this.#answer(id, async () => attributesOf(await fs.stat(this.#real(path)))),
    );
    sftp.on('LSTAT', (id, path) =>
      this.#answer(id, async () => attributesOf(await fs.lstat(this.#real(path)))),
    );
    sftp.on('SETSTAT', (id) => sftp.status(id, status.OK));
    sftp.on('REMOVE', (id, path) => this.#answer(id, () => done(fs.unlink(this.#real(path)))));
    sftp.on('MKDIR', (id, path) => this.#answer(id, () => done(fs.mkdir(this.#real(path)))));
    sftp.on('RMDIR', (id, path) => this.#answer(id, () => done(fs.rmdir(this.#real(path)))));
    // As the protocol's third version says: not over a file that is there.
    sftp.on('RENAME', (id, from, to) =>
      this.#answer(id, async () => {
        const taken = await fs.lstat(this.#real(to)).catch(() => undefined);
        return taken ? status.FAILURE : done(fs.rename(this.#real(from), this.#real(to)));
      }),
    );
    sftp.on('OPEN', (id, path, flags) =>
      this.#answer(id, async () =>
        this.#handle({ file: await fs.open(this.#real(path), systemFlags(flags)) }),
      ),
    );
    sftp.on('OPENDIR', (id, path) =>
      this.#answer(id, async () => {
        const folder = this.#real(path);
        const found: Dirent[] = await fs.readdir(folder, { withFileTypes: true });
        const entries = found.map(({ name }) => {
          return { filename: name, longname: name, attrs: attributesOf(lstatSync(join(folder, name))) };
        });
        return this.#handle({ entries });
      }),
    );
    sftp.on('EXTENDED', (id) => sftp.status(id, status.OP_UNSUPPORTED));
  }

  #listenForHandles(): void {
    const sftp = this.#sftp;
    sftp.on('FSTAT', (id, handle) =>
      this.#answer(id, async () => attributesOf(await this.#file(handle).stat())),
    );
    sftp.on('FSETSTAT', (id) => sftp.status(id, status.OK));
    sftp.on('READ', (id, handle, at, length) =>
      this.#answer(id, async () => {
        if (this.#parts.trouble.noReads) return status.PERMISSION_DENIED;
        const { bytesRead, buffer } = await this.#file(handle).read(Buffer.alloc(length), 0, length, at);
        return bytesRead === 0 ? status.EOF : { data: buffer.subarray(0, bytesRead) };
      }),
    );
    sftp.on('READDIR', (id, handle) =>
      this.#answer(id, async () => {
        const names = this.#open.get(handle.readUInt32BE())?.entries?.splice(0, 100) ?? [];
        return names.length === 0 ? status.EOF : { names };
      }),
    );
    sftp.on('WRITE', (id, handle, at, data) => this.#answer(id, () => this.#write(handle, at, data)));
    sftp.on('CLOSE', (id, handle) => this.#answer(id, () => this.#close(handle)));
  }

  async #write(handle: Buffer, at: number, data: Buffer): Promise<Answer> {
    const { trouble } = this.#parts;
    this.#parts.counter.bytesWritten += data.length;
    if (trouble.writes !== undefined && this.#parts.counter.bytesWritten > (trouble.afterBytes ?? 0)) {
      trouble.onTrouble?.();
      if (trouble.writes === 'full') return status.FAILURE;
      if (trouble.writes === 'silent') return status.OK;
      if (trouble.writes === 'drop') this.#drop();
      return 'nothing';
    }
    await this.#file(handle).write(data, 0, data.length, at);
    return status.OK;
  }

  async #close(handle: Buffer): Promise<Answer> {
    const { trouble } = this.#parts;
    const number = handle.readUInt32BE();
    const open = this.#open.get(number);
    this.#open.delete(number);
    await open?.file?.close();
    if (trouble.closes === undefined || !open?.file) return status.OK;
    trouble.onTrouble?.();
    if (trouble.closes === 'full') return status.FAILURE;
    this.#drop();
    return 'nothing';
  }

  async #closeAll(): Promise<void> {
    for (const { file } of this.#open.values()) await file?.close().catch(() => undefined);
    this.#open.clear();
  }

  #drop(): void {
    // The library has no public way to end a connection rudely.
    (this.#parts.connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
  }

  #handle(open: OpenFile): Buffer {
    this.#last += 1;
    this.#open.set(this.#last, open);
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(this.#last);
    return handle;
  }

  #file(handle: Buffer): fs.FileHandle {
    const file = this.#open.get(handle.readUInt32BE())?.file;
    if (!file) throw new Error('not an open file');
    return file;
  }

  #real(path: string): string {
    return join(this.#parts.root, posix.normalize(`/${path}`));
  }

  async #answer(id: number, act: () => Promise<Answer>): Promise<void> {
    const sftp = this.#sftp;
    if (this.#parts.trouble.drop) return this.#drop();
    try {
      const answer = await act();
      if (answer === 'nothing') return;
      if (typeof answer === 'number') sftp.status(id, answer);
      else if (Buffer.isBuffer(answer)) sftp.handle(id, answer);
      else if ('names' in answer) sftp.name(id, answer.names);
      else if ('data' in answer) sftp.data(id, answer.data);
      else sftp.attrs(id, answer);
    } catch (error) {
      sftp.status(id, statusOf(error));
    }
  }
}

async function done(act: Promise<unknown>): Promise<Answer> {
  await act;
  return status.OK;
}

function statusOf(error: unknown): number {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (['ENOENT', 'ENOTDIR'].includes(code)) return status.NO_SUCH_FILE;
  if (['EACCES', 'EPERM'].includes(code)) return status.PERMISSION_DENIED;
  return status.FAILURE;
}

function systemFlags(flags: number): number {
  const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
  const access = (flags & mode.WRITE) === 0 ? O_RDONLY : (flags & mode.READ) === 0 ? O_WRONLY : O_RDWR;
  const more = [
    [mode.CREAT, O_CREAT],
    [mode.EXCL, O_EXCL],
    [mode.TRUNC, O_TRUNC],
    [mode.APPEND, O_APPEND],
  ] as const;
  return more.reduce((all, [theirs, ours]) => ((flags & theirs) === 0 ? all : all | ours), access);
}

function attributesOf(found: Stats): Attributes {
  const { uid, gid, size, atimeMs, mtimeMs } = found;
  return {
    mode: found.mode,
    uid,
    gid,
    size,
    atime: Math.floor(atimeMs / 1000),
    mtime: Math.floor(mtimeMs / 1000),
  };
}

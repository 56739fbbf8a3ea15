import { HoldfastError, throwIfAborted, type WriteOptions } from '@holdfast/core';
import { FTPError } from 'basic-ftp';
import { CheckedBody } from '../checked-body.ts';
import { askChecksum, RunningChecksum, type ServerChecksum } from './checksum.ts';
import type { KeyLocks } from './key-locks.ts';
import {
  isFolder,
  look,
  makeFolder,
  removeEmptyFolders,
  removeFile,
  removeFolder,
  rename,
} from './remote-files.ts';
import { refusalOf, refused } from './replies.ts';
import type { FtpSession } from './session.ts';
import { skipTo } from './skip.ts';
import { download, NotBegun, upload } from './transfer.ts';
import {
  openParts,
  type Part,
  partFolderOf,
  partName,
  removeParts,
  type Target,
  temporaryPath,
} from './unfinished.ts';

export interface ObjectWriteParts {
  readonly target: Target;
  readonly body: AsyncIterable<Uint8Array>;
  readonly options: WriteOptions;
  /** As a person may see the place. */
  readonly description: string;
  readonly locks: KeyLocks;
  readonly checksum: ServerChecksum | undefined;
  /** The server offers a checksum, but does not give it. */
  readonly onNoChecksum: () => void;
}

/** A folder that a `delete` of the last object in it removed under a writer is made again this often. */
const folderAttemptsMax = 5;
const tailBytesMax = 1024 * 1024;

/** One object on its way: sent under another name, compared, and renamed. */
export class ObjectWrite {
  readonly #o: ObjectWriteParts;
  readonly #resumable: boolean;
  readonly #temporary: string;

  constructor(parts: ObjectWriteParts) {
    this.#o = parts;
    const { resumable, sizeBytes, sha256 } = parts.options;
    this.#resumable = resumable === true && sizeBytes !== undefined && sha256 !== undefined;
    this.#temporary = this.#resumable
      ? `${partFolderOf(parts.target)}/${partName(sizeBytes as number, sha256 as string)}`
      : temporaryPath(parts.target);
  }

  /** All bytes are there under the other name. The session may be over: servers end one whose download was cut. */
  async send(session: FtpSession): Promise<Sent> {
    if (this.#o.options.ifAbsent) await this.#assertAbsent(session);
    return this.#resumable ? this.#goOn(session) : this.#sendAll(session);
  }

  /** Makes an object of them. */
  async publish(session: FtpSession, { bytes, digits }: Sent): Promise<void> {
    const { target } = this.#o;
    await this.#compareSize(session, bytes);
    if (digits !== undefined) await this.#compareChecksum(session, digits);
    await this.#o.locks.run(target.path, () => this.#rename(session));
    if (this.#resumable)
      await session.unstoppable(() => removeFolder(session, partFolderOf(target))).catch(() => false);
  }

  /** Whether something may be there, after it has failed, that the next resumable write cannot use. */
  leavesRubbish(error: unknown): boolean {
    const lost = error instanceof HoldfastError && (error.code === 'corrupt' || error.code === 'conflict');
    return lost || !this.#resumable;
  }

  async cleanUp(session: FtpSession): Promise<void> {
    const { target } = this.#o;
    if (this.#resumable) await removeParts(session, target);
    else await removeFile(session, this.#temporary);
    // Nor do the folders stay that were made for it.
    await removeEmptyFolders(session, target.folder);
  }

  async #sendAll(session: FtpSession): Promise<Sent> {
    const { body, counted } = this.#checked();
    await this.#store(session, { body, start: 0 });
    return counted();
  }

  /** Sends what is missing of what an earlier write left. */
  async #goOn(session: FtpSession): Promise<Sent> {
    const { target, options } = this.#o;
    const promised = { sizeBytes: options.sizeBytes as number, sha256: options.sha256 as string };
    const part = await openParts(session, partFolderOf(target), promised);
    if (!part) return this.#sendAll(session);
    const tail = await this.#tail(session, part);
    if (!tail) {
      await removeFile(session, part.path);
      return this.#sendAll(session);
    }
    const { body, counted, unsent } = this.#checked();
    const { rest, same, close } = await skipTo(body, { bytes: part.bytes, unsent }, tail);
    try {
      if (same && (await this.#append(session, rest, part))) {
        await this.#assertWhole(session, part.bytes, tail);
        return counted();
      }
    } finally {
      await close();
    }
    await removeFile(session, part.path);
    return this.#sendAgain(session);
  }

  /** Had the beginning been taken away before STOR, the server would have made a file that begins with a hole. */
  async #assertWhole(session: FtpSession, bytes: number, tail: Uint8Array): Promise<void> {
    const again = await this.#tail(session, { path: this.#temporary, bytes });
    if (again && Buffer.compare(again, tail) === 0) return;
    await removeFile(session, this.#temporary);
    throw this.#changed();
  }

  /** What is there is of no use: it begins anew, if the body can. */
  async #sendAgain(session: FtpSession): Promise<Sent> {
    const { body, counted } = this.#checked();
    try {
      await this.#store(session, { body, start: 0 });
      return counted();
    } catch (error) {
      const once = counted().bytes === 0 && error instanceof HoldfastError && error.code === 'corrupt';
      throw once ? this.#changed() : error;
    }
  }

  #changed(): HoldfastError {
    return new HoldfastError(
      'unavailable',
      `${this.#o.target.key}: what an unfinished write left in ${this.#o.description} is not what is to be sent; it was discarded`,
    );
  }

  /** The last bytes of what is there; undefined when they cannot be had. */
  async #tail(session: FtpSession, { path, bytes }: Part): Promise<Uint8Array | undefined> {
    const length = Math.min(bytes, tailBytesMax);
    const blocks: Uint8Array[] = [];
    try {
      const command = `RETR ${path}`;
      for await (const block of download(session, { command, start: bytes - length, length, toEnd: true }))
        blocks.push(block);
    } catch (error) {
      if (error instanceof NotBegun || error instanceof FTPError) return undefined;
      throw error;
    }
    return Buffer.concat(blocks);
  }

  /** False: the server begins in the middle of no file, neither by REST nor by APPE. */
  async #append(session: FtpSession, rest: AsyncIterable<Uint8Array>, part: Part): Promise<boolean> {
    const { sizeBytes } = this.#o.options;
    if (part.bytes === sizeBytes) {
      for await (const _ of rest) throw new HoldfastError('internal', 'a body is longer than it is');
    }
    // Under a name of its own nobody else goes on with it.
    const claimed = await rename(session, part.path, this.#temporary);
    if (claimed.code >= 300) throw this.#changed();
    if (part.bytes === sizeBytes) return true;
    try {
      // Rather than APPE: should a server still write what a dead process sent, it is the same bytes at the same place.
      await upload(session, { command: `STOR ${this.#temporary}`, start: part.bytes, body: rest });
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    try {
      await upload(session, { command: `APPE ${this.#temporary}`, body: rest });
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await removeFile(session, this.#temporary);
      return false;
    }
  }

  #checked(): {
    readonly body: AsyncIterable<Uint8Array>;
    readonly counted: () => Sent;
    readonly unsent: (bytes: number) => void;
  } {
    const { target, options, checksum } = this.#o;
    const checked = new CheckedBody(this.#o.body, { ...options, key: target.key });
    const known = checksum?.algorithm === 'sha256' ? options.sha256 : undefined;
    const running = checksum && known === undefined ? new RunningChecksum(checksum.algorithm) : undefined;
    const body = running ? watched(checked, running) : checked;
    const unsent = (bytes: number): void => checked.unsent(bytes);
    return { body, unsent, counted: () => ({ bytes: checked.bytes, digits: known ?? running?.digits() }) };
  }

  async #store(session: FtpSession, o: { body: AsyncIterable<Uint8Array>; start: number }): Promise<void> {
    const folder = this.#temporary.slice(0, this.#temporary.lastIndexOf('/'));
    for (let attempt = 1; ; attempt += 1) {
      try {
        await upload(session, { command: `STOR ${this.#temporary}`, ...o });
        return;
      } catch (error) {
        if (!(error instanceof NotBegun) || attempt === folderAttemptsMax || folder === '') throw error;
        const refusal = refusalOf(error.reply, this.#temporary);
        if (refusal !== 'missing' && refusal !== 'unknown') throw error;
        // Looked at afterwards it may be there: another writer has made it. Then the next refusal says why.
        if (refusal === 'unknown' && attempt > 1 && (await isFolder(session, folder))) throw error;
        await makeFolder(session, folder);
      }
    }
  }

  async #compareSize(session: FtpSession, bytes: number): Promise<void> {
    const found = await look(session, this.#temporary);
    // Who may not look has the server's word that all of it has come.
    if (found.kind === 'hidden' || (found.kind === 'file' && found.bytes === bytes)) return;
    const stored = found.kind === 'file' ? `${found.bytes} of them` : 'nothing';
    throw new HoldfastError(
      'unavailable',
      `${this.#o.target.key}: ${bytes} bytes were sent to ${this.#o.description}, and it stores ${stored}`,
      { hint: 'look at the log of the server, and at the room on its disk' },
    );
  }

  async #compareChecksum(session: FtpSession, digits: string): Promise<void> {
    const { checksum, target, description } = this.#o;
    if (!checksum) return;
    const answer = await askChecksum(session, checksum, this.#temporary);
    if ('refused' in answer) return this.#o.onNoChecksum();
    if (answer.digits === digits) return;
    await removeFile(session, this.#temporary);
    throw new HoldfastError(
      'unavailable',
      `${target.key}: ${description} stores other bytes than were sent (${checksum.command})`,
      { hint: 'check the disk of the server, and what is between it and this machine' },
    );
  }

  /** From here on the object is seen, and an abort comes too late. */
  async #rename(session: FtpSession): Promise<void> {
    const { options, target } = this.#o;
    throwIfAborted(options.signal);
    if (options.ifAbsent) await this.#assertAbsent(session);
    throwIfAborted(options.signal);
    await session.unstoppable(async () => {
      const reply = await rename(session, this.#temporary, target.path);
      if (reply.code < 300) return;
      // There are servers that do not replace.
      if ((await look(session, target.path)).kind !== 'file') throw refused(reply);
      if (options.ifAbsent) throw this.#taken();
      await removeFile(session, target.path);
      const again = await rename(session, this.#temporary, target.path);
      if (again.code >= 300) throw refused(again);
    });
  }

  async #assertAbsent(session: FtpSession): Promise<void> {
    if ((await look(session, this.#o.target.path)).kind === 'file') throw this.#taken();
  }

  #taken(): HoldfastError {
    return new HoldfastError('conflict', `${this.#o.target.key} is already there in ${this.#o.description}`);
  }
}

export interface Sent {
  readonly bytes: number;
  /** In the server's way to compute checksums. */
  readonly digits: string | undefined;
}

async function* watched(
  body: AsyncIterable<Uint8Array>,
  running: RunningChecksum,
): AsyncGenerator<Uint8Array> {
  for await (const block of body) {
    running.update(block);
    yield block;
  }
}

/** Nothing was asked of the body yet. */
function isRefusal(error: unknown): boolean {
  return error instanceof NotBegun || error instanceof FTPError;
}

import {
  type ByteRange,
  type Clock,
  type CredentialCommand,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  deadline,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { CommandCredentials } from '../credential-command.ts';
import { prefixParts } from '../keys.ts';
import { portableParts } from '../portable-names.ts';
import { identifyRepository, markerName } from '../repository.ts';
import { close, diskSpace, fstat, lstat, openToRead, stat, unlink } from './calls.ts';
import { connect } from './connect.ts';
import { download } from './download.ts';
import { sftpError, status, statusOf } from './errors.ts';
import { RemoteRoot } from './folders.ts';
import { type Lease, Pool } from './pool.ts';
import { createMarker, proveWritable, readMarker, roomWarnings } from './prove.ts';
import { Publisher } from './publish.ts';
import { removeParts } from './temporary.ts';
import { describeSftp, type SftpLocation } from './url.ts';
import { infoOf, walk } from './walk.ts';
import { Writer } from './writer.ts';

export interface SftpOptions {
  readonly location: SftpLocation;
  readonly credentials?: CredentialCommand | undefined;
  /** Which repository this place held when it was last used, as `repositoryId` said then. */
  readonly expectedId?: string | undefined;
  readonly clock: Clock;
}

/** For removing what a rejected write left, from a server that may be gone. */
const cleanUpMsMax = 20_000;
const cleanUpAttempts = 5;

/** A folder on a server that speaks SFTP. */
export class SftpDestination implements Destination {
  readonly type = 'sftp';
  readonly description: string;
  readonly #options: SftpOptions;
  readonly #root: RemoteRoot;
  readonly #pool: Pool;
  readonly #publisher = new Publisher();
  #id: string | undefined;
  #writeOnly = false;

  constructor(options: SftpOptions) {
    const { location, credentials, clock } = options;
    this.#options = options;
    this.#root = new RemoteRoot(location.path);
    this.#id = options.expectedId;
    this.description = describeSftp(location, location.user);
    const command = credentials && new CommandCredentials(credentials, clock);
    this.#pool = new Pool({
      connectionsMax: location.parallel,
      clock,
      connect: ({ signal }) => connect({ location, command, clock, signal }),
    });
  }

  /** Whether the server decides who was first is known once it was connected to. */
  get features(): DestinationFeatures {
    return {
      conditionalWrite: this.#publisher.atomic,
      rangedRead: true,
      storedChecksum: false,
      resumableWrite: true,
      writeOnly: this.#writeOnly,
    };
  }

  get repositoryId(): string | undefined {
    return this.#id;
  }

  get token(): DriverToken {
    const { location, credentials } = this.#options;
    const data = { location, credentials, expectedId: this.#id };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    return this.#using('write', this.#root.path, o, async (lease) => {
      await this.#assertRoot(lease);
      const readable = await this.#identify(lease, o);
      const small = { root: this.#root, publisher: this.#publisher };
      // It never rejects.
      const room = roomWarnings(lease, this.#root);
      const readsBack = await proveWritable(lease, small, o);
      this.#writeOnly = !readable || !readsBack;
      const warnings = await room;
      if (this.#writeOnly) {
        warnings.push(
          `the server lets this user write, but not read: nothing that is stored in ${this.description} can be checked, ` +
            'restored or deleted by age with this login, and broken uploads begin anew',
        );
      }
      return warnings;
    });
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const writer = new Writer(
      { pool: this.#pool, root: this.#root, publisher: this.#publisher, place: this.description },
      { ...o, key, parts },
    );
    let begun = false;
    try {
      return await this.#using('write', this.#root.join(...parts), o, async (lease) => {
        await Promise.all([
          this.#checkBeforeWriting(lease, { key, parts, ifAbsent: o.ifAbsent ?? false }),
          writer.look(lease),
        ]);
        begun = true;
        return await writer.write(lease, body);
      });
    } catch (error) {
      if (begun) await this.#cleanUp((lease) => writer.cleanUp(lease, HoldfastError.from(error)));
      throw error;
    }
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = this.#root.join(...parts);
    const context = { place: this.description, path, action: 'read' };
    try {
      await using lease = await this.#pool.lease(o);
      const { handle, size } = await this.#openObject(lease, key, parts);
      try {
        const { start, length } = o.range ?? { start: 0, length: size };
        if (!(start >= 0 && length >= 0 && start + length <= size))
          throw new HoldfastError(
            'out_of_range',
            `${path} has ${size} bytes, asked for ${length} from ${start}`,
          );
        yield* download({ lease, handle, path, start, length, signal: o.signal });
      } finally {
        await close(lease, handle).catch(() => undefined);
      }
    } catch (error) {
      throw sftpError(error, context);
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = this.#root.join(...parts);
    return this.#using('look at', path, o, async (lease) => {
      const [found] = await Promise.all([lstat(lease, path), this.#assertThere(lease, parts.slice(0, -1))]);
      throwIfAborted(o.signal);
      return found?.isFile() ? infoOf(key, found) : undefined;
    });
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    const { folders, rest } = prefixParts(prefix);
    const folder = this.#root.join(...folders);
    try {
      await using lease = await this.#pool.lease(o);
      await this.#assertThere(lease, folders);
      const keyPrefix = folders.map((name) => `${name}/`).join('');
      yield* walk(lease, { folder, keyPrefix, namePrefix: rest }, o.signal);
    } catch (error) {
      throw sftpError(error, { place: this.description, path: folder, action: 'list' });
    }
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = this.#root.join(...parts);
    const folders = parts.slice(0, -1);
    await this.#using('delete', path, o, async (lease) => {
      const [found] = await Promise.all([lstat(lease, path), this.#assertThere(lease, folders)]);
      throwIfAborted(o.signal);
      await removeParts(lease, this.#root, { key });
      if (!found?.isFile() || !(await unlink(lease, path))) return;
      await this.#root.leave(lease, folders);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  /** The server's folder is there, or can be made; a file system that is not mounted is not made up for. */
  async #assertRoot(lease: Lease): Promise<void> {
    const found = await stat(lease, this.#root.path);
    if (found?.isDirectory()) return;
    if (found) {
      throw new HoldfastError('config_invalid', `${this.#root.path} in ${this.description} is not a folder`, {
        hint: 'name a folder as the destination',
      });
    }
    if (this.#id !== undefined) throw this.#rootGone();
    await this.#root.makeRoot(lease);
  }

  /** Says whether the marker could be read; where it cannot, the place is taken for the one that it was. */
  async #identify(lease: Lease, o: Sig): Promise<boolean> {
    const small = { root: this.#root, publisher: this.#publisher };
    try {
      this.#id = await identifyRepository(
        {
          description: this.description,
          read: () => readMarker(lease, this.#root),
          create: (text) => createMarker(lease, small, text),
        },
        { ...o, expectedId: this.#id, clock: this.#options.clock },
      );
      return true;
    } catch (error) {
      const there =
        statusOf(error) === status.permissionDenied && (await lstat(lease, this.#root.join(markerName)));
      if (!there) throw error;
      return false;
    }
  }

  /** In one round trip: nothing leads out, nothing is in the way, and the folder is still the same one. */
  async #checkBeforeWriting(
    lease: Lease,
    o: { readonly key: string; readonly parts: readonly string[]; readonly ifAbsent: boolean },
  ): Promise<void> {
    const { key, parts, ifAbsent } = o;
    const path = this.#root.join(...parts);
    const [found, root, marker] = await Promise.all([
      lstat(lease, path),
      stat(lease, this.#root.path),
      lstat(lease, this.#root.join(markerName)),
      this.#root.assertNoLinks(lease, parts.slice(0, -1)),
    ]);
    if (!root || (!marker && this.#id !== undefined)) {
      if (this.#id !== undefined) throw this.#rootGone();
      await this.#root.makeRoot(lease);
    }
    if (found && ifAbsent)
      throw new HoldfastError('conflict', `${key} is already there in ${this.description}`);
    if (!found || found.isFile()) return;
    throw new HoldfastError('precondition_failed', `${path} is no file, and cannot be replaced by one`, {
      hint: `look at ${path} on the server; move away what is not Holdfast's`,
    });
  }

  /**
   * Asked beside what is wanted, and so without a round trip of its own: in the empty folder that is left of a file system
   * that is not mounted, nothing is missing, and nothing is deleted.
   */
  async #assertThere(lease: Lease, folders: readonly string[]): Promise<void> {
    const marked = this.#id !== undefined;
    const [root, marker] = await Promise.all([
      stat(lease, this.#root.path),
      marked ? lstat(lease, this.#root.join(markerName)) : undefined,
      this.#root.assertNoLinks(lease, folders),
    ]);
    if (!root || (marked && !marker)) throw this.#rootGone();
  }

  async #openObject(
    lease: Lease,
    key: string,
    parts: readonly string[],
  ): Promise<{ readonly handle: Buffer; readonly size: number }> {
    const path = this.#root.join(...parts);
    const [found] = await Promise.all([lstat(lease, path), this.#assertThere(lease, parts.slice(0, -1))]);
    const missing = new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    if (!found?.isFile()) throw missing;
    try {
      const handle = await openToRead(lease, path);
      // Of the file that was opened: another one may have taken its name since.
      return { handle, size: (await fstat(lease, handle)).size };
    } catch (error) {
      throw statusOf(error) === status.noSuchFile ? missing : error;
    }
  }

  #rootGone(): HoldfastError {
    const { path } = this.#root;
    const what =
      this.#id === undefined ? `there is no folder ${path}` : `${path} or its ${markerName} is gone`;
    return new HoldfastError('unavailable', `${what} in ${this.description}`, {
      hint: 'is the path right, and its file system mounted on the server?',
    });
  }

  async #using<T>(action: string, path: string, o: Sig, act: (lease: Lease) => Promise<T>): Promise<T> {
    throwIfAborted(o.signal);
    const context = { place: this.description, path, action };
    try {
      return await this.#pool.use(o, async (lease) => {
        this.#publisher.learn(lease);
        try {
          return await act(lease);
        } catch (error) {
          if (statusOf(error) !== status.failure) throw error;
          throw sftpError(error, { ...context, disk: await diskSpace(lease, this.#root.path) });
        }
      });
    } catch (error) {
      throw sftpError(error, context);
    }
  }

  /** On its own time, and on another connection where the one that was used is gone. What fails is swept one day. */
  async #cleanUp(act: (lease: Lease) => Promise<void>): Promise<void> {
    using limit = deadline(this.#options.clock, cleanUpMsMax, 'removing what a rejected write left');
    // What broke one connection may have broken others, of which it is known only when they are used.
    for (let attempt = 1; attempt <= cleanUpAttempts && !limit.signal.aborted; attempt += 1) {
      const done = await this.#pool.use({ signal: limit.signal }, act).then(
        () => true,
        () => false,
      );
      if (done) return;
    }
  }
}

import { createHash } from 'node:crypto';
import type {
  BlockBlobCommitBlockListOptions,
  BlockBlobUploadResponse,
  ContainerClient,
} from '@azure/storage-blob';
import { type Clock, HoldfastError, throwIfAborted, type WriteOptions } from '@holdfast/core';
import { CheckedBody } from '../checked-body.ts';
import { type CutBlock, cutBlocks } from './block-cutter.ts';
import { blockId, lineOf } from './block-id.ts';
import { type BlockPlan, blockPlan } from './block-plan.ts';
import { isConflict } from './errors.ts';
import { final } from './final.ts';
import { InFlight } from './in-flight.ts';
import { areInTheWay, discardBlocks, discardedEtag, uncommittedBlocks } from './leftovers.ts';
import type { AzureSession } from './session.ts';
import type { AzureWriting } from './url.ts';

export interface UploadOptions extends WriteOptions {
  readonly key: string;
  /** Of the blob, prefix included. */
  readonly name: string;
  readonly writing: AzureWriting;
  readonly clock: Clock;
  /** Rejects with `conflict` when the object is there. Called before anything large is sent. */
  readonly assertAbsent: () => Promise<void>;
  /** Makes of a foreign error what is told. */
  readonly telling: (error: unknown) => HoldfastError;
}

const dayMs = 86_400_000;
const discardMsMax = 5_000;

/** Sends one object: in one request when it is a single block, else as blocks that a last request puts together. */
export class Upload {
  readonly #session: AzureSession;
  readonly #o: UploadOptions;
  readonly #plan: BlockPlan;
  readonly #resumable: boolean;
  readonly #line: Buffer;
  readonly #inFlight = new InFlight();
  /** Ends with the caller's signal, and with the first block that fails. */
  readonly #signal: AbortSignal;
  /** Whether a block was sent, or there may be some of an earlier attempt. */
  #staged = false;

  constructor(session: AzureSession, options: UploadOptions) {
    this.#session = session;
    this.#o = options;
    const { sizeBytes, sha256, writing, resumable } = options;
    this.#plan = blockPlan(sizeBytes, writing.blockBytes);
    const known = resumable && sizeBytes !== undefined && sha256 !== undefined;
    this.#resumable = known ?? false;
    this.#line = lineOf(known ? { sizeBytes, sha256, blockBytes: this.#plan.bytesOf(0) } : undefined);
    this.#signal = AbortSignal.any([options.signal, this.#inFlight.failed]);
  }

  /** Returns the size. */
  async send(body: AsyncIterable<Uint8Array>): Promise<number> {
    const { sizeBytes } = this.#o;
    // What ends this ends the wait for the body, too, which may never answer again.
    const checked = new CheckedBody(body, { ...this.#o, signal: this.#signal });
    const blocks = cutBlocks(checked, this.#plan, sizeBytes);
    try {
      const first = await blocks.next();
      if (first.done) throw new HoldfastError('internal', 'a body without a last block');
      if (first.value.isLast) await this.#putWhole(first.value);
      else await this.#putBlocks(first.value, blocks, (bytes) => checked.unsent(bytes));
      return checked.bytes;
    } catch (error) {
      const failure = this.#o.telling(error);
      await this.#inFlight.settled();
      await this.#clean(failure);
      throw failure;
    } finally {
      await blocks.return();
    }
  }

  async #putWhole(block: CutBlock): Promise<void> {
    const { bytes } = block;
    const { name, sha256, signal, clock, ifAbsent, assertAbsent } = this.#o;
    const md5 = createHash('md5').update(bytes).digest();
    try {
      const answer = await final({ signal, clock }, (abortSignal) =>
        this.#run(abortSignal, (container) =>
          container.getBlockBlobClient(name).upload(bytes, bytes.length, {
            ...this.#objectOptions(sha256),
            abortSignal,
            transactionalContentMD5: md5,
          }),
        ),
      );
      await this.#assertStored(answer, md5);
    } catch (error) {
      if (!ifAbsent || !isConflict(error)) throw error;
      // Blocks of an unfinished write of the key may count as an object here, but not where blocks are put together.
      await assertAbsent();
      await this.#putBlocks(block, [], () => undefined);
    }
  }

  async #putBlocks(
    first: CutBlock,
    rest: AsyncIterable<CutBlock> | readonly CutBlock[],
    unsent: (bytes: number) => void,
  ): Promise<void> {
    const { ifAbsent, assertAbsent } = this.#o;
    if (ifAbsent) await assertAbsent();
    const there = await this.#leftThere();
    this.#staged = true;
    const ids: string[] = [];
    const stage = async (block: CutBlock): Promise<void> => {
      await this.#inFlight.below(this.#plan.parallelAt(block.index));
      throwIfAborted(this.#signal);
      const md5 = createHash('md5').update(block.bytes).digest();
      const id = blockId(this.#line, block.index, md5);
      ids.push(id);
      if (there.get(id) === block.bytes.length) {
        unsent(block.bytes.length);
        return block.release();
      }
      this.#inFlight.start(() => this.#stage(id, block, md5));
    };
    await stage(first);
    for await (const block of rest) await stage(block);
    await this.#inFlight.settled();
    throwIfAborted(this.#signal);
    await this.#commit(ids);
  }

  async #stage(id: string, { bytes, release }: CutBlock, md5: Buffer): Promise<void> {
    try {
      const answer = await this.#run(this.#signal, (container) =>
        container.getBlockBlobClient(this.#o.name).stageBlock(id, bytes, bytes.length, {
          abortSignal: this.#signal,
          transactionalContentMD5: md5,
        }),
      );
      if (isOther(answer.contentMD5, md5)) throw this.#storedOther();
    } catch (error) {
      throw this.#o.telling(error);
    } finally {
      release();
    }
  }

  /** What unfinished writes of the key have left; nothing where the credentials do not let one look. */
  async #leftThere(): Promise<ReadonlyMap<string, number>> {
    const o = { signal: this.#signal };
    const there = await uncommittedBlocks(this.#session, this.#o.name, o);
    if (!there || !areInTheWay(there)) return there ?? new Map();
    await discardBlocks(this.#session, this.#o.name, o);
    return new Map();
  }

  async #commit(ids: string[]): Promise<void> {
    const { name, sha256, ifAbsent, signal } = this.#o;
    const options = this.#objectOptions(sha256);
    try {
      await this.#putTogether(ids, options);
    } catch (error) {
      if (!ifAbsent || !isConflict(error)) throw error;
      const ifMatch = await discardedEtag(this.#session, name, { signal });
      if (ifMatch === undefined) throw error;
      await this.#putTogether(ids, { ...options, conditions: { ifMatch } });
    }
  }

  async #putTogether(ids: string[], options: BlockBlobCommitBlockListOptions): Promise<void> {
    const { name, signal, clock } = this.#o;
    await final({ signal, clock }, (abortSignal) =>
      this.#run(abortSignal, (container) =>
        container.getBlockBlobClient(name).commitBlockList(ids, { ...options, abortSignal }),
      ),
    );
  }

  #run<T>(signal: AbortSignal, act: (container: ContainerClient) => Promise<T>): Promise<T> {
    return this.#session.run({ signal }, act);
  }

  #objectOptions(sha256: string | undefined): BlockBlobCommitBlockListOptions {
    const { writing, hot, ifAbsent, clock } = this.#o;
    const { immutableDays, immutableMode, legalHold } = writing;
    const tier = hot ? writing.hotTier : writing.tier;
    return {
      ...(tier && { tier }),
      ...(sha256 !== undefined && { metadata: { holdfast_sha256: sha256 } }),
      ...(ifAbsent && { conditions: { ifNoneMatch: '*' } }),
      ...(immutableDays !== undefined &&
        immutableMode && {
          immutabilityPolicy: {
            expiriesOn: new Date(clock.now() + immutableDays * dayMs),
            policyMode: immutableMode,
          },
        }),
      ...(legalHold && { legalHold }),
    };
  }

  /** The service says what it has stored; what is other than what was sent does not stay. */
  async #assertStored(answer: BlockBlobUploadResponse, md5: Buffer): Promise<void> {
    if (!isOther(answer.contentMD5, md5)) return;
    const { name, signal, clock } = this.#o;
    const conditions = { ifMatch: answer.etag ?? '' };
    await final({ signal, clock }, (abortSignal) =>
      this.#run(abortSignal, (container) =>
        container.getBlobClient(name).delete({ abortSignal, conditions }),
      ),
    );
    throw this.#storedOther();
  }

  #storedOther(): HoldfastError {
    return new HoldfastError('corrupt', `${this.#o.key}: the service has stored other bytes than were sent`, {
      hint: 'something between here and the service changes what is sent: look at proxies',
    });
  }

  /** Nothing half done stays, unless it is to be gone on with. */
  async #clean({ code }: HoldfastError): Promise<void> {
    if (!this.#staged) return;
    const keeps = this.#resumable && code !== 'corrupt' && code !== 'conflict';
    if (keeps) return;
    const { name, clock } = this.#o;
    // The caller's signal may have aborted; what cannot be done soon is left for the service to drop after a week.
    const over = new AbortController();
    const ended = new AbortController();
    void clock.sleep(discardMsMax, ended.signal).then(
      () => over.abort(),
      () => undefined,
    );
    await discardBlocks(this.#session, name, { signal: over.signal, line: this.#line }).catch(
      () => undefined,
    );
    ended.abort();
  }
}

function isOther(stored: Uint8Array | undefined, sent: Buffer): boolean {
  return stored !== undefined && !sent.equals(stored);
}

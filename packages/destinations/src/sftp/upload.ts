import { type Sig, throwIfAborted } from '@holdfast/core';
import { close, openToWrite, write } from './calls.ts';
import type { Lease, Pool } from './pool.ts';

/** Sent and not yet answered on one connection: twice what OpenSSH lets be under way. */
const laneBytesMax = 4 * 1024 * 1024;
/** How often, in bytes sent, another connection is asked for. */
const laneEveryBytes = 8 * 1024 * 1024;
/**
 * How far what was sent may be ahead of what was answered. A file that broke off may have gaps in its last so many
 * bytes, and nowhere before.
 */
export const gapBytesMax = 16 * 1024 * 1024;

interface Lane {
  readonly lease: Lease;
  readonly handle: Buffer;
  bytes: number;
}

export interface UploadOptions extends Sig {
  readonly pool: Pool;
  readonly lease: Lease;
  /** Open for writing. */
  readonly handle: Buffer;
  readonly path: string;
  /** Where in the file the first byte goes. */
  readonly at: number;
}

/**
 * Writes one file, many requests at a time, and on several connections when there are any to spare: one connection
 * carries 2 MiB per round trip and no more. Memory: the requests under way.
 */
export class Upload {
  readonly #o: UploadOptions;
  readonly #lanes: Lane[];
  readonly #block: Buffer;
  #filled = 0;
  #at: number;
  #nextLaneAt: number;
  #growing = false;
  #over = false;
  /** Where requests begin that were not answered yet, oldest first. */
  readonly #unanswered = new Set<number>();
  #problem: unknown;
  #wake: (() => void) | undefined;

  constructor(options: UploadOptions) {
    this.#o = options;
    this.#lanes = [{ lease: options.lease, handle: options.handle, bytes: 0 }];
    this.#block = Buffer.allocUnsafe(options.lease.connection.writeBytesMax);
    this.#at = options.at;
    this.#nextLaneAt = options.at + laneEveryBytes;
  }

  /** The bytes are copied before it resolves. Rejects with the first error of any request before. */
  async write(bytes: Uint8Array): Promise<void> {
    const size = this.#block.length;
    for (let from = 0; from < bytes.length; ) {
      if (this.#filled === 0 && bytes.length - from >= size) {
        // As much as a request takes: it goes without being gathered first.
        await this.#send(Buffer.from(bytes.buffer, bytes.byteOffset + from, size));
        from += size;
        continue;
      }
      const count = Math.min(bytes.length - from, size - this.#filled);
      this.#block.set(bytes.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === size) await this.#sendGathered();
    }
  }

  /** Resolves when the server has answered to everything. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#sendGathered();
    this.#over = true;
    while (this.#unanswered.size > 0) await this.#answer();
    this.#throwIfFailed();
    await this.#closeLanes();
  }

  /** Sends no more, and waits for what is under way: nothing is written any more when it resolves. */
  async abandon(): Promise<void> {
    this.#over = true;
    while (this.#unanswered.size > 0) await this.#answer();
    await this.#closeLanes();
  }

  async #sendGathered(): Promise<void> {
    await this.#send(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
  }

  /** The block is free again when it resolves: the call itself copies it. */
  async #send(block: Buffer): Promise<void> {
    const bytes = block.length;
    const lane = await this.#freeLane(bytes);
    const at = this.#at;
    this.#unanswered.add(at);
    lane.bytes += bytes;
    const answered = write(lane.lease, lane.handle, { block, at });
    this.#at += bytes;
    answered
      .catch((error: unknown) => {
        this.#problem ??= error;
      })
      .finally(() => {
        this.#unanswered.delete(at);
        lane.bytes -= bytes;
        this.#wake?.();
      });
    if (this.#at >= this.#nextLaneAt && !this.#growing) void this.#grow();
  }

  /** The one with the least under way, once that is little enough. */
  async #freeLane(bytes: number): Promise<Lane> {
    for (;;) {
      this.#throwIfFailed();
      throwIfAborted(this.#o.signal);
      const lane = this.#lanes.reduce((least, each) => (each.bytes < least.bytes ? each : least));
      const [oldest = this.#at] = this.#unanswered;
      if (lane.bytes + bytes <= laneBytesMax && this.#at + bytes - oldest <= gapBytesMax) return lane;
      await this.#answer();
    }
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Beside the transfer, which goes on meanwhile; without another connection it only is slower. */
  async #grow(): Promise<void> {
    const { pool, path, signal } = this.#o;
    this.#nextLaneAt = this.#at + laneEveryBytes;
    this.#growing = true;
    try {
      const lease = await pool.spare({ signal, held: this.#lanes.length });
      if (lease) await this.#addLane(lease, path);
    } catch {
      // What is wrong with the server is told by the connection that there is.
    } finally {
      this.#growing = false;
    }
  }

  async #addLane(lease: Lease, path: string): Promise<void> {
    try {
      const handle = await openToWrite(lease, path);
      if (!this.#over) {
        this.#lanes.push({ lease, handle, bytes: 0 });
        this.#wake?.();
        return;
      }
      await close(lease, handle);
    } catch {
      // As above.
    }
    await lease[Symbol.asyncDispose]();
  }

  /** Of the connections that were added. */
  async #closeLanes(): Promise<void> {
    for (const { lease, handle } of this.#lanes.splice(1)) {
      await close(lease, handle).catch(() => undefined);
      await lease[Symbol.asyncDispose]();
    }
  }

  #throwIfFailed(): void {
    if (this.#problem === undefined) return;
    throwIfAborted(this.#o.signal);
    throw this.#problem;
  }
}

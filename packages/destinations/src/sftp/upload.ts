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
    for (let from = 0; from < bytes.length; ) {
      const count = Math.min(bytes.length - from, this.#block.length - this.#filled);
      this.#block.set(bytes.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === this.#block.length) await this.#send();
    }
  }

  /** Resolves when the server has answered to everything. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#send();
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

  async #send(): Promise<void> {
    const lane = await this.#freeLane();
    const at = this.#at;
    const bytes = this.#filled;
    this.#unanswered.add(at);
    lane.bytes += bytes;
    // Copied by the call itself, so that the block is free again.
    const answered = write(lane.lease, lane.handle, { block: this.#block.subarray(0, bytes), at });
    this.#at += bytes;
    this.#filled = 0;
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
  async #freeLane(): Promise<Lane> {
    for (;;) {
      this.#throwIfFailed();
      throwIfAborted(this.#o.signal);
      const lane = this.#lanes.reduce((least, each) => (each.bytes < least.bytes ? each : least));
      const [oldest = this.#at] = this.#unanswered;
      if (lane.bytes + this.#filled <= laneBytesMax && this.#at + this.#filled - oldest <= gapBytesMax)
        return lane;
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

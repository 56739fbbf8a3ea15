import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A line without a limit of its own still holds no more than this on its way, per connection. */
const underwayBytesMax = 16 * 1024 * 1024;
/** One that is slow or stalled holds little, so that its sender notices. */
const slowUnderwayBytesMax = 128 * 1024;
/** How long a receiver has to read what comes before a cut. */
const cutAfterMs = 20;

/** One direction of all connections of a proxy: what happens to bytes on their way. May be changed at any time. */
export class TcpLine {
  /** How long each byte is underway. Bytes follow one another closely all the same. */
  delayMs = 0;
  /** For all connections together; 0 is no limit. */
  bytesPerSecond = 0;
  /** Bytes that arrived at the other end. */
  bytes = 0;
  #stall: PromiseWithResolvers<void> | undefined;
  #cutAfter: number | undefined;
  #freeAtMs = 0;

  get stalled(): boolean {
    return this.#stall !== undefined;
  }

  set stalled(stalled: boolean) {
    if (stalled) this.#stall ??= Promise.withResolvers();
    else {
      this.#stall?.resolve();
      this.#stall = undefined;
    }
  }

  set cutAfter(bytes: number | undefined) {
    this.#cutAfter = bytes;
  }

  get underwayBytesMax(): number {
    return this.bytesPerSecond > 0 || this.stalled ? slowUnderwayBytesMax : underwayBytesMax;
  }

  /** So much may go on at once. */
  get pieceBytes(): number {
    return this.bytesPerSecond > 0 ? Math.max(1, Math.floor(this.bytesPerSecond / 50)) : 65_536;
  }

  /** Waits for the turn of so many bytes that came at `cameMs`. */
  async turn(bytes: number, cameMs: number): Promise<void> {
    if (this.bytesPerSecond > 0) {
      const now = performance.now();
      this.#freeAtMs = Math.max(now, this.#freeAtMs) + (bytes * 1000) / this.bytesPerSecond;
      await sleep(this.#freeAtMs - now);
    }
    const leftMs = cameMs + this.delayMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
    while (this.#stall) await this.#stall.promise;
  }

  /** How many of these bytes arrive; fewer than all means that the connection is cut behind them. */
  take(bytes: number): number {
    const taken = Math.min(bytes, this.#cutAfter ?? bytes);
    this.bytes += taken;
    if (this.#cutAfter !== undefined) this.#cutAfter = taken < bytes ? undefined : this.#cutAfter - taken;
    return taken;
  }
}

/** Carries one direction of one connection. `cut` is told that the line is cut here. */
export class TcpFlow {
  readonly #line: TcpLine;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #cut: () => void;
  readonly #underway: { readonly bytes: Buffer; readonly cameMs: number }[] = [];
  #underwayBytes = 0;
  #ended = false;
  #running = false;

  constructor(line: TcpLine, o: { readonly from: Socket; readonly to: Socket; readonly cut: () => void }) {
    this.#line = line;
    this.#from = o.from;
    this.#to = o.to;
    this.#cut = o.cut;
    o.from.on('data', (bytes: Buffer) => this.#came(bytes));
    o.from.on('end', () => {
      this.#ended = true;
      void this.#run();
    });
  }

  #came(bytes: Buffer): void {
    this.#underway.push({ bytes, cameMs: performance.now() });
    this.#underwayBytes += bytes.length;
    if (this.#underwayBytes >= this.#line.underwayBytesMax) this.#from.pause();
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#underway.shift(); next; next = this.#underway.shift()) {
      const { bytes, cameMs } = next;
      for (let at = 0; at < bytes.length && !this.#to.destroyed; ) {
        const piece = bytes.subarray(at, at + this.#line.pieceBytes);
        await this.#line.turn(piece.length, cameMs);
        if (!(await this.#pass(piece))) return;
        at += piece.length;
      }
      this.#underwayBytes -= bytes.length;
      if (this.#underwayBytes < this.#line.underwayBytesMax) this.#from.resume();
    }
    this.#running = false;
    if (this.#ended && !this.#to.destroyed) this.#to.end();
  }

  /** False when nothing goes on any more. */
  async #pass(piece: Buffer): Promise<boolean> {
    if (this.#to.destroyed) return false;
    const taken = this.#line.take(piece.length);
    if (taken < piece.length) {
      // What was let through is read before the cut comes: a reset takes away what the other end has not read.
      if (taken > 0) await new Promise((resolve) => this.#to.write(piece.subarray(0, taken), resolve));
      await sleep(cutAfterMs);
      this.#cut();
      return false;
    }
    if (!this.#to.write(piece)) await drainedOrClosed(this.#to);
    return true;
  }
}

/** Listens to nothing any more when it resolves: a connection is waited for thousands of times. */
async function drainedOrClosed(socket: Socket): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).catch(
    () => undefined,
  );
  over.abort();
}

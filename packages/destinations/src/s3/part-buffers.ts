import { abortError, type Sig, throwIfAborted } from '@holdfast/core';

/** A buffer on loan: to be given back once nothing reads it any more. */
export interface PartBuffer {
  readonly bytes: Buffer;
  release(): void;
}

interface Waiter {
  readonly size: number;
  readonly give: (buffer: PartBuffer) => void;
}

/**
 * What all writes of one destination may keep in memory together. Whoever wants more waits for others to give back; the
 * longest waiting is served first, so that none starves.
 */
export class PartBuffers {
  readonly #bytesMax: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: Waiter[] = [];
  #lent = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @param size in bytes; one that is larger than all that is allowed is given when nothing else is lent */
  async acquire(size: number, { signal }: Sig): Promise<PartBuffer> {
    throwIfAborted(signal);
    if (this.#waiting.length === 0 && this.#fits(size)) return this.#lend(size);
    const { promise, resolve, reject } = Promise.withResolvers<PartBuffer>();
    const waiter: Waiter = { size, give: resolve };
    this.#waiting.push(waiter);
    const stop = (): void => {
      const at = this.#waiting.indexOf(waiter);
      // Not there: it was served in this very moment, and whoever asked releases what came.
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(abortError(signal));
      this.#serve();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #fits(size: number): boolean {
    return this.#lent === 0 || this.#lent + size <= this.#bytesMax;
  }

  #lend(size: number): PartBuffer {
    const at = this.#free.findIndex((each) => each.length === size);
    const bytes = at < 0 ? this.#allocate(size) : (this.#free.splice(at, 1)[0] as Buffer);
    this.#lent += size;
    let lent = true;
    const release = (): void => {
      if (!lent) return;
      lent = false;
      this.#lent -= size;
      if (size <= this.#bytesMax) this.#free.push(bytes);
      this.#serve();
    };
    return { bytes, release };
  }

  #allocate(size: number): Buffer {
    // Those of another size make room.
    let kept = this.#free.reduce((sum, each) => sum + each.length, 0);
    while (this.#free.length > 0 && this.#lent + kept + size > this.#bytesMax)
      kept -= this.#free.shift()?.length ?? 0;
    return Buffer.allocUnsafeSlow(size);
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.size); next = this.#waiting[0]) {
      this.#waiting.shift();
      next.give(this.#lend(next.size));
    }
  }
}

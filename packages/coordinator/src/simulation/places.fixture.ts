import { HoldfastError, type Scope, throwIfAborted } from '@holdfast/core';
import type { SimulatedProcess } from '@holdfast/testing';

/** What a run writes last: the backup is there if, and only if, this is. */
export interface SimManifest {
  readonly chain: string;
  readonly sequence: number;
  readonly scope: Scope;
  readonly node: string;
  readonly task: string;
  readonly run: string;
  /** Up to where the source was read; an incremental begins where the one before it ends. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** The destination that all nodes reach whatever becomes of the store. An object is written once. */
export class SimPlace {
  readonly chains = new Map<string, SimManifest[]>();
  /** In the order in which they came, for who looks after the laws. */
  readonly written: SimManifest[] = [];

  list(chain: string): readonly SimManifest[] {
    return this.chains.get(chain) ?? [];
  }

  /**
   * Lands after a while, also of a process that has died meanwhile; after an abort nothing is stored.
   * @throws HoldfastError conflict when there is such an object
   */
  write(
    manifest: SimManifest,
    o: { readonly process: SimulatedProcess; readonly delayMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { process, delayMs, signal } = o;
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      process.machine.time.after(delayMs, () => {
        if (signal.aborted) return;
        const isNew = this.#put(manifest);
        process.machine.time.after(delayMs, () =>
          process.reach(() => {
            signal.removeEventListener('abort', stop);
            if (isNew) resolve();
            else reject(new HoldfastError('conflict', `${manifest.chain}/${manifest.sequence} is there`));
          }),
        );
      });
    });
  }

  #put(manifest: SimManifest): boolean {
    const chain = this.chains.get(manifest.chain) ?? [];
    if (chain.some(({ sequence }) => sequence === manifest.sequence)) return false;
    chain.push(manifest);
    this.chains.set(manifest.chain, chain);
    this.written.push(manifest);
    return true;
  }
}

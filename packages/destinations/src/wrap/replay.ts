import { type TellingBody, tellUnsent, unsent } from '../body.ts';
import type { Idle } from './idle.ts';

/** A body that is read once more for each attempt, if it can be. */
export class Replay {
  readonly #body: TellingBody;
  #last: AsyncIterator<Uint8Array> | undefined;
  #bytes = 0;
  #furthest = 0;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body;
  }

  /** Nothing was read yet, or the body begins anew whenever it is asked. */
  get possible(): boolean {
    if (!this.#last) return true;
    const own: unknown = this.#body;
    return this.#last !== own && this.#body[Symbol.asyncIterator]() !== this.#last;
  }

  /** How much further than all before the last attempt came. Asked once per attempt. */
  gained(): number {
    const gained = Math.max(0, this.#bytes - this.#furthest);
    this.#furthest += gained;
    return gained;
  }

  /** The body for another attempt. The wait for a block is not the destination's: it does not count as standing still. */
  watched(idle: Idle): TellingBody {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = this.#body[Symbol.asyncIterator]();
        this.#last = iterator;
        this.#bytes = 0;
        return {
          next: async () => {
            using _ = idle.hold();
            const step = await iterator.next();
            if (!step.done) this.#bytes += step.value.length;
            return step;
          },
          return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
        };
      },
      [unsent]: (bytes) => tellUnsent(this.#body, bytes),
    };
  }
}

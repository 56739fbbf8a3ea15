/**
 * A body may want to know which of its bytes were read only to be compared with what is stored already, and not sent:
 * rate limits and counts are about what is sent. Drivers tell `CheckedBody`, which passes it on.
 */
export const unsent: unique symbol = Symbol('unsent');

export interface TellingBody extends AsyncIterable<Uint8Array> {
  /** So many bytes of those that were read last were not sent. */
  readonly [unsent]?: (bytes: number) => void;
}

export function tellUnsent(body: TellingBody, bytes: number): void {
  body[unsent]?.(bytes);
}

export interface Passage {
  /** What happens to the blocks on their way. */
  iterate(blocks: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array>;
  unsent(bytes: number): void;
}

/**
 * A body whose blocks pass through something. It can be read as often as the one below: one that gives the same
 * iterator again and again is seen to do so.
 */
export function passing(body: TellingBody, passage: Passage): TellingBody {
  let last:
    | { readonly inner: AsyncIterator<Uint8Array>; readonly outer: AsyncIterator<Uint8Array> }
    | undefined;
  return {
    [Symbol.asyncIterator]: () => {
      const inner = body[Symbol.asyncIterator]();
      if (last?.inner !== inner) last = { inner, outer: passage.iterate(inner) };
      return last.outer;
    },
    [unsent]: (bytes) => {
      passage.unsent(bytes);
      tellUnsent(body, bytes);
    },
  };
}

import { type Destination, HoldfastError } from '@holdfast/core';
import { MemoryDestination } from '@holdfast/testing';

export interface Reachable extends Destination {
  /** While it is, every call rejects. */
  down: boolean;
  readonly inner: MemoryDestination;
}

/** A destination that can be out of reach for a while. */
export function reachable(): Reachable {
  const inner = new MemoryDestination();
  const state = { down: false, inner };
  return new Proxy(state as unknown as Reachable, {
    get(_, name) {
      if (name in state) return state[name as keyof typeof state];
      const value: unknown = Reflect.get(inner, name, inner);
      if (typeof value !== 'function') return value;
      if (state.down && ['prepare', 'write', 'read', 'stat', 'list', 'delete'].includes(String(name)))
        return name === 'read' || name === 'list' ? refusing : async () => refuse();
      return value.bind(inner);
    },
    set(_, name, value) {
      return Reflect.set(state, name, value);
    },
  });
}

function refuse(): never {
  throw new HoldfastError('unavailable', 'the place cannot be reached');
}

function refusing(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: async () => refuse() }) };
}

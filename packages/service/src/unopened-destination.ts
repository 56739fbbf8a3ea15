import { type Destination, type HoldfastError, redactUrl } from '@holdfast/core';

/**
 * Stands for a destination that could not even be opened, so that a run which can do without it goes on with the others:
 * whatever it is asked for rejects with the reason.
 */
export function unopenedDestination(url: string, error: HoldfastError): Destination {
  const refuse = (): never => {
    throw error;
  };
  const never = { [Symbol.asyncIterator]: () => ({ next: async () => refuse() }) };
  return {
    type: 'unopened',
    description: redactUrl(url),
    features: { conditionalWrite: false, rangedRead: false },
    get token() {
      return refuse();
    },
    prepare: async () => refuse(),
    write: async () => refuse(),
    read: () => never,
    stat: async () => refuse(),
    list: () => never,
    delete: async () => refuse(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

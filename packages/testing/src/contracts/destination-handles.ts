import type { Destination, DestinationWorkerModule, ObjectInfo } from '@holdfast/core';

/** Gives a new handle on an empty place, for each test its own; the contract disposes of it. */
export type OpenEmpty = () => Promise<Destination>;

/** The signal of calls that nobody aborts. */
export const never = new AbortController().signal;

/** A second handle on the same place, as another thread opens it. */
export async function reopen(destination: Destination): Promise<Destination> {
  // What crosses threads is cloned.
  const token = structuredClone(destination.token);
  const module = (await import(token.module)) as DestinationWorkerModule;
  return module.openDestination(token.data, { signal: never });
}

export async function listed(destination: Destination, prefix = ''): Promise<ObjectInfo[]> {
  const out: ObjectInfo[] = [];
  for await (const info of destination.list(prefix, { signal: never })) out.push(info);
  return out;
}

export async function listedKeys(destination: Destination, prefix = ''): Promise<string[]> {
  return (await listed(destination, prefix)).map((info) => info.key).sort();
}

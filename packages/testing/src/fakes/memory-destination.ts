import type { Destination, DriverToken, ObjectInfo, Sig } from '@holdfast/core';
import { throwIfAborted } from '@holdfast/core';
import { type ObjectTable, type StoredObject, TableDestination } from './object-table.ts';

/** Places by name, so that a token opens the same one. Threads have their own. */
const places = new Map<string, MemoryTable>();

class MemoryTable implements ObjectTable {
  readonly #objects = new Map<string, StoredObject>();
  #changes = 0;

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  list(): ObjectInfo[] {
    return [...this.#objects].map(([key, { bytes, modifiedAtMs }]) => ({
      key,
      bytes: bytes.length,
      modifiedAtMs,
    }));
  }

  set(key: string, bytes: Buffer): StoredObject {
    this.#changes += 1;
    const stored = { bytes, modifiedAtMs: this.#changes };
    this.#objects.set(key, stored);
    return stored;
  }

  delete(key: string): void {
    this.#objects.delete(key);
  }
}

/** A destination in this thread's memory, under the same contract as the real ones. */
export class MemoryDestination extends TableDestination {
  override readonly type = 'memory';
  override readonly description: string;
  override readonly token: DriverToken;
  /** What is stored, to look at and to damage in tests. */
  override readonly objects: ObjectTable;

  /** Two with the same name are the same place. */
  constructor(name: string = crypto.randomUUID()) {
    super();
    this.description = `memory:${name}`;
    this.token = { module: import.meta.url, data: { name } };
    const table = places.get(name) ?? new MemoryTable();
    places.set(name, table);
    this.objects = table;
  }
}

export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new MemoryDestination((data as { name: string }).name);
}

import { join } from 'node:path';
import { readJson, writeDurably } from './durable-file.ts';

/**
 * Which repository each folder held when it was last used, by the destination's description: so that an empty folder
 * where a network path should be mounted is not taken for a new destination.
 */
export class KnownDestinations {
  readonly #path: string;
  readonly #locked: <T>(act: () => Promise<T>) => Promise<T>;

  /** `locked` runs a step while no other process changes the file. */
  constructor(root: string, locked: <T>(act: () => Promise<T>) => Promise<T>) {
    this.#path = join(root, 'known-destinations.json');
    this.#locked = locked;
  }

  async get(description: string): Promise<string | undefined> {
    return (await this.#read()).get(description);
  }

  /** Nothing is written when it is known already. */
  async remember(description: string, id: string): Promise<void> {
    if ((await this.get(description)) === id) return;
    await this.#locked(async () => {
      const known = await this.#read();
      known.set(description, id);
      await this.#write(known);
    });
  }

  async forget(description: string): Promise<void> {
    await this.#locked(async () => {
      const known = await this.#read();
      if (known.delete(description)) await this.#write(known);
    });
  }

  #write(known: ReadonlyMap<string, string>): Promise<void> {
    const entries = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
    return writeDurably(this.#path, `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`);
  }

  async #read(): Promise<Map<string, string>> {
    const json = await readJson(this.#path);
    if (typeof json !== 'object' || json === null) return new Map();
    return new Map(
      Object.entries(json).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  }
}

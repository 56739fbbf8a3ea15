import { statfs } from 'node:fs/promises';
import type { Clock } from '@holdfast/core';
import type { Logger } from 'pino';
import type { Ending, Service } from './supervisor.ts';

const lookEveryMs = 10_000;

/** Below this the node says so; backups check for the room that they need by themselves. */
const freeBytesMin = 128 * 1024 * 1024;

/** Says when the disk of a folder that the node needs is full, or the folder is gone, and when it is well again. */
export class StorageWatch implements Service {
  readonly name = 'storage watch';
  readonly #folders: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #problems = new Map<string, string>();

  constructor(o: { readonly folders: readonly string[]; readonly clock: Clock; readonly logger: Logger }) {
    this.#folders = o.folders;
    this.#clock = o.clock;
    this.#logger = o.logger;
  }

  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  async run({ drain }: Ending): Promise<void> {
    while (!drain.aborted) {
      for (const folder of this.#folders) this.#note(folder, await problemOf(folder));
      await this.#clock.sleep(lookEveryMs, drain).catch(() => undefined);
    }
  }

  #note(folder: string, problem: string | undefined): void {
    const before = this.#problems.get(folder);
    if (problem === undefined) {
      if (this.#problems.delete(folder))
        this.#logger.info({ component: this.name, folder }, `${folder} is usable again`);
      return;
    }
    this.#problems.set(folder, problem);
    if (before === undefined) this.#logger.error({ component: this.name, folder }, problem);
  }
}

async function problemOf(folder: string): Promise<string | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    const freeBytes = bavail * bsize;
    if (freeBytes >= freeBytesMin) return undefined;
    return `the disk of ${folder} is nearly full: ${Math.floor(freeBytes / 1024 / 1024)} MiB are free`;
  } catch (caught) {
    const code = (caught as NodeJS.ErrnoException).code ?? 'an unknown error';
    // Staging is made by the first run.
    return code === 'ENOENT' ? undefined : `${folder} cannot be used: ${code}`;
  }
}

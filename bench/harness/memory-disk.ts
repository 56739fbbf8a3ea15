import { existsSync, rmSync, statfsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const prefix = 'holdfast-bench-';
/** Where servers, like everybody, look for the place of their files. */
const variable = 'TMPDIR';

/**
 * While it is open, servers that are started keep their files in memory, where the machine has as much: what is compared
 * is the tools and not the disk. Nothing is left of it, not even by a bench that is told to stop; what one that was
 * killed has left is removed by the next.
 */
export class MemoryDisk implements Disposable {
  /** Undefined: files are where they always are. */
  readonly folder: string | undefined;
  readonly #before = process.env[variable];
  readonly #remove = (): void => {
    if (this.folder) rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  };

  private constructor(folder: string | undefined) {
    this.folder = folder;
    if (folder) process.env[variable] = folder;
    process.on('exit', this.#remove);
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, stop);
  }

  static async open(bytes: number): Promise<MemoryDisk> {
    await sweep();
    const { bavail, bsize } = existsSync(memory) ? statfsSync(memory) : { bavail: 0, bsize: 0 };
    if (bavail * bsize < bytes) return new MemoryDisk(undefined);
    const folder = join(memory, `${prefix}${process.pid}`);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    return new MemoryDisk(folder);
  }

  get description(): string {
    return this.folder ? 'servers keep what they get in memory' : `servers keep what they get in ${tmpdir()}`;
  }

  [Symbol.dispose](): void {
    if (this.#before === undefined) delete process.env[variable];
    else process.env[variable] = this.#before;
    process.off('exit', this.#remove);
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop);
    this.#remove();
  }
}

/** Ends in good order: what is called at the exit of a process ends its servers and removes their files. */
function stop(): void {
  process.exit(130);
}

async function sweep(): Promise<void> {
  for (const name of await readdir(memory).catch(() => [])) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`))
      rmSync(join(memory, name), { recursive: true, force: true });
  }
}

import { readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { emptyFolder } from './folders.ts';

/** Where a run of the benchmarks keeps its files: data that is made once and kept, and what one run stores. */
export class Workspace implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Refuses when another run works in the folder: the two would only measure one another. */
  static async open(folder: string): Promise<Workspace> {
    await mkdir(join(folder, 'data'), { recursive: true });
    // A database server's own user has to reach its data.
    await chmod(folder, 0o755);
    const owner = Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => '0'));
    if (owner > 0 && owner !== process.pid && isBench(owner)) {
      throw new Error(`process ${owner} is measuring in ${folder}: wait for its end, or give another --work`);
    }
    await writeFile(join(folder, 'pid'), String(process.pid));
    const workspace = new Workspace(folder);
    await workspace.clear();
    return workspace;
  }

  /** A place for what this run makes. */
  path(...parts: string[]): string {
    return join(this.#folder, 'run', ...parts);
  }

  /** Removes what was made so far, or by a run that was killed. */
  async clear(): Promise<void> {
    await emptyFolder(this.path());
  }

  /** A place for data that later runs use again. */
  kept(...parts: string[]): string {
    return join(this.#folder, 'data', ...parts);
  }

  /** Writes what earlier commands left in memory, so that the next one does not wait for their disk. */
  async settle(): Promise<void> {
    await runCommand('sync', ['-f', this.#folder]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path(), { recursive: true, force: true, maxRetries: 3 });
    await rm(join(this.#folder, 'pid'), { force: true });
  }
}

function isBench(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bench');
  } catch {
    return false;
  }
}

import { writeFile } from 'node:fs/promises';
import type { BenchPlace } from '../suites/destination-places.ts';
import { runCommand } from './command.ts';
import type { Workspace } from './workspace.ts';

const section = 'place';
/** At once, of files: what people set, and what it does by default. */
const transfers = 4;

/** rclone at one place, with a configuration of its own and nothing of the user's. */
export class Rclone {
  readonly #config: string;
  readonly #path: string;

  private constructor(config: string, path: string) {
    this.#config = config;
    this.#path = path;
  }

  static async at(place: BenchPlace, workspace: Workspace): Promise<Rclone> {
    const config = workspace.path('rclone.conf');
    await writeFile(config, `[${section}]\n${place.rclone.join('\n')}\n`, { mode: 0o600 });
    return new Rclone(config, place.rclonePath);
  }

  async copy(folder: string, flags: readonly string[]): Promise<void> {
    await this.#run('copy', folder, this.#to(''), '--transfers', String(transfers), ...flags);
  }

  /** Fails unless there are so many files with so many bytes, or more where it is said. */
  async expect(o: {
    readonly files: number;
    readonly bytes: number;
    readonly bytesMax?: number;
  }): Promise<void> {
    const { count, bytes } = JSON.parse(await this.#run('size', '--json', this.#to(''))) as {
      readonly count: number;
      readonly bytes: number;
    };
    if (count === o.files && bytes >= o.bytes && bytes <= (o.bytesMax ?? o.bytes)) return;
    throw new Error(`${count} files with ${bytes} bytes arrived instead of ${o.files} with ${o.bytes}`);
  }

  /** Fails unless every file of a folder of ours is below that path as well, byte for byte. */
  async compare(folder: string, below: string): Promise<void> {
    await this.#run('check', folder, this.#to(below), '--one-way', '--download');
  }

  #to(below: string): string {
    return `${section}:${this.#path}${below === '' ? '' : `/${below}`}`;
  }

  async #run(...args: string[]): Promise<string> {
    // A variable of the user's for another S3 would win over the file, or keep it from starting.
    const names = Object.keys(process.env).filter((name) => /^(AWS|RCLONE|AZURE)_/.test(name));
    const env = Object.fromEntries(names.map((name) => [name, undefined]));
    return await runCommand('rclone', ['--config', this.#config, ...args], { env });
  }
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { descendantsOf } from './processes.ts';

/** A planted secret, and by which name a failure speaks of it. */
export type Planted = Readonly<Record<string, string>>;

/** A secret may be written as it is, as a URL has it, as JSON has it, or as HTTP has it. */
function formsOf(secret: string): readonly string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const basic = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  return [...new Set([secret, encodeURIComponent(secret), encodeURI(secret), json, basic])];
}

/** Finds planted secrets where they must not be. */
export class SecretWatch {
  readonly #forms: readonly (readonly [name: string, form: Buffer])[];
  readonly #found = new Set<string>();

  constructor(planted: Planted) {
    this.#forms = Object.entries(planted).flatMap(([name, secret]) =>
      formsOf(secret).map((form) => [name, Buffer.from(form)] as const),
    );
  }

  /** `the name of the secret: where it was`, each once. */
  get found(): readonly string[] {
    return [...this.#found].sort();
  }

  look(where: string, text: string | Buffer, but: readonly string[] = []): void {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    for (const [name, form] of this.#forms)
      if (!but.includes(name) && bytes.includes(form)) this.#found.add(`${name}: ${where}`);
  }

  /** Every file below a folder, whatever it is. */
  async lookInFolder(folder: string): Promise<number> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    let files = 0;
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const content = entry.isFile() ? await readFile(path).catch(() => undefined) : undefined;
      this.look(path, path);
      if (content === undefined) continue;
      files += 1;
      this.look(path, content);
    }
    return files;
  }

  /**
   * The arguments of every process that this one has started, others' tests being no concern of it, and the environment
   * of the given ones; `fromEnvironment` are the secrets that were put there by who started them.
   * @returns how many of the given ones there were
   */
  async lookAtProcesses(
    ours: readonly number[],
    o: { readonly fromEnvironment: readonly string[] },
  ): Promise<number> {
    let seen = 0;
    for (const pid of await descendantsOf(process.pid)) {
      const read = (name: string): Promise<Buffer> =>
        readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0));
      const command = await read('cmdline');
      this.look(`arguments of ${command.toString().replaceAll('\0', ' ').slice(0, 60)}`, command);
      if (!ours.includes(pid)) continue;
      const environment = await read('environ');
      if (environment.length > 0) seen += 1;
      this.look('environment of a run', environment, o.fromEnvironment);
    }
    return seen;
  }
}

import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join, matchesGlob } from 'node:path';
import { promisify } from 'node:util';
import { readDeployed, root } from './product.ts';

const listBytesMax = 16 * 1024 * 1024;

/** What the Containerfile says, as far as it can be looked at without building it. */
export class Image {
  readonly text: string;
  readonly #ignore: readonly string[];

  private constructor(text: string, ignore: readonly string[]) {
    this.text = text;
    this.#ignore = ignore;
  }

  static async read(): Promise<Image> {
    const ignore = await readDeployed('container', 'Containerfile.dockerignore');
    const lines = ignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Image((await readDeployed('container', 'Containerfile')).replace(/\\\n\s*/g, ''), lines);
  }

  /** The words of an instruction, of which there is one. */
  words(instruction: string): readonly string[] {
    const rest = this.lines(instruction).at(-1) ?? '';
    return rest.startsWith('[') ? (JSON.parse(rest) as string[]) : rest.split(/\s+/);
  }

  lines(instruction: string): readonly string[] {
    const found = this.text.matchAll(new RegExp(`^${instruction} (.*)$`, 'gm'));
    return [...found].map(([, rest = '']) => rest);
  }

  /** What COPY takes from the repository. */
  get sources(): readonly string[] {
    return this.lines('COPY')
      .filter((line) => !line.startsWith('--from'))
      .flatMap((line) => line.split(/\s+/).slice(0, -1));
  }

  get environment(): Readonly<Record<string, string>> {
    const pairs = this.lines('ENV').flatMap((line) => line.split(/\s+/));
    return Object.fromEntries(pairs.map((pair) => pair.split('=') as [string, string]));
  }

  /** Whether a file of the repository is sent to the build: the last pattern that fits it, or a folder of it, decides. */
  isSent(path: string): boolean {
    const parts = path.split('/');
    const paths = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    let sent = true;
    for (const line of this.#ignore) {
      const pattern = line.replace(/^!/, '');
      if (paths.some((each) => matchesGlob(each, pattern))) sent = line.startsWith('!');
    }
    return sent;
  }

  /** The files of the repository that are in the image. */
  async files(): Promise<readonly string[]> {
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...this.sources];
    const { stdout } = await promisify(execFile)('git', list, { cwd: root, maxBuffer: listBytesMax });
    const files = [...new Set(stdout.split('\0'))].filter((path) => path !== '');
    return files.filter((path) => this.isSent(path));
  }

  /** Lays out /opt/holdfast as the image has it; instead of `npm ci --omit=dev`, the same packages are linked. */
  async unpack(folder: string): Promise<void> {
    const copies = (await this.files()).map(async (path) => {
      const name = path.startsWith('deploy/') ? (path.split('/').at(-1) ?? '') : path;
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await copyFile(join(root, path), join(folder, name));
    });
    await Promise.all(copies);
    for (const [path, from] of await productionPackages()) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await symlink(from.startsWith('packages/') ? join(folder, from) : join(root, from), join(folder, path));
    }
  }
}

/** What `npm ci --omit=dev` installs at the top of node_modules, and where that is: for links, in the repository. */
async function productionPackages(): Promise<[path: string, from: string][]> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; link?: boolean; resolved?: string }>;
  };
  return Object.entries(packages).flatMap(([path, { dev, devOptional, link, resolved }]) => {
    const isTop = path.startsWith('node_modules/') && path.lastIndexOf('node_modules/') === 0;
    if (!isTop || dev || devOptional) return [];
    return [[path, link && resolved ? resolved : path] as [string, string]];
  });
}

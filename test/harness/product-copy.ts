import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from './run-holdfast.ts';

const root = join(import.meta.dirname, '..', '..');
const copied = ['packages', 'docs', 'package.json', 'tsconfig.json', 'vitest.config.ts'];

export interface TestResult {
  /** With the names of the groups that it is in. */
  readonly name: string;
  readonly passed: boolean;
  /** Why it failed. */
  readonly messages: string;
}

/** The product in a folder of its own, to be changed as a developer would; other people's libraries are linked. */
export class ProductCopy {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(path: string): Promise<ProductCopy> {
    await mkdir(join(path, 'node_modules', '@holdfast'), { recursive: true });
    for (const name of copied) await cp(join(root, name), join(path, name), { recursive: true });
    for (const name of await readdir(join(root, 'node_modules'))) {
      // What vitest keeps is the copy's own.
      if (name === '@holdfast' || name.startsWith('.vite')) continue;
      await symlink(join(root, 'node_modules', name), join(path, 'node_modules', name));
    }
    for (const name of await readdir(join(root, 'packages')))
      await symlink(join(path, 'packages', name), join(path, 'node_modules', '@holdfast', name));
    return new ProductCopy(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Replaces a text that is there exactly once. */
  async edit(name: string, before: string, after: string): Promise<void> {
    const text = await readFile(this.file(name), 'utf8');
    if (text.split(before).length !== 2)
      throw new Error(`${name} does not have exactly one ${JSON.stringify(before)}`);
    await writeFile(
      this.file(name),
      text.replace(before, () => after),
    );
  }

  /** Runs unit tests of the copy; `update` writes what is compared with files, as a developer has it written. */
  async runTests(files: readonly string[], o: { readonly update?: boolean } = {}): Promise<TestResult[]> {
    const report = this.file('report.json');
    // Beside other tests they may take longer than alone.
    const patient = ['--testTimeout', '300000', '--hookTimeout', '300000'];
    const args = ['run', '--project', 'unit', ...patient, '--reporter', 'json', '--outputFile', report];
    const vitest = this.file('node_modules/vitest/vitest.mjs');
    // `--update` comes last: it would take a file for its value, and then all tests would run.
    const outcome = await this.node([vitest, ...args, ...files, ...(o.update ? ['--update'] : [])]);
    const text = await readFile(report, 'utf8').catch((cause: unknown) => {
      throw new Error(`vitest reported nothing:\n${outcome.stdout}${outcome.stderr}`, { cause });
    });
    const { testResults } = JSON.parse(text) as VitestReport;
    return testResults.flatMap(({ name, message, assertionResults }) =>
      assertionResults.length === 0
        ? [{ name, passed: false, messages: message }]
        : assertionResults.map((one) => ({
            name: one.fullName,
            passed: one.status === 'passed',
            messages: one.failureMessages.join('\n'),
          })),
    );
  }

  /** Node with these arguments, in the copy. */
  async node(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    // What vitest tells its workers must not reach another vitest; CI: nothing is written that was not asked for.
    const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$)/.test(name));
    const child = spawn(process.execPath, args, {
      cwd: this.path,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited), NO_COLOR: '1', CI: '1', ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal, stdout, stderr };
  }
}

/** Of vitest's report, what is read here. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

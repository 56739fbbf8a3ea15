import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@holdfast/client';
import { plainEnvironment } from './command.ts';
import { launcher } from './holdfast.ts';
import type { Workspace } from './workspace.ts';

export interface BenchNodeOptions {
  readonly workspace: Workspace;
  /** Holds its file, its state and its log; the same one again is the same node. */
  readonly folder: string;
  /** The Node to run it on; the one that runs us by default. */
  readonly node?: string;
  /** Lines of `holdfast.yaml` besides name, state, listen and log. */
  readonly config?: string;
}

const readyMsMax = 120_000;
const stopMsMax = 60_000;

/** Of the end of its log, in an error. */
const tailCharacters = 2_000;

const { signal } = new AbortController();

/** `holdfast start` as a user does, in a process of its own on a free port, until it is disposed. */
export class BenchNode implements AsyncDisposable {
  readonly url: string;
  readonly client: Client;
  readonly pid: number;
  readonly folder: string;
  readonly #child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.client = new Client({ url });
    this.pid = child.pid ?? 0;
    this.folder = folder;
    this.#child = child;
  }

  /** Resolves when it says that it is ready. */
  static async start(options: BenchNodeOptions): Promise<BenchNode> {
    const { workspace, folder, config = '' } = options;
    const file = join(folder, 'holdfast.yaml');
    await mkdir(folder, { recursive: true });
    await writeFile(
      file,
      `name: bench\nstate: ./state\nlisten: { address: "127.0.0.1:0" }\nlog: { format: json }\n${config}\n`,
    );
    const child = spawn(options.node ?? process.execPath, [launcher, 'start', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...plainEnvironment(),
        NODE_COMPILE_CACHE: undefined,
        XDG_CACHE_HOME: workspace.path('cache'),
        NO_COLOR: '1',
      },
    });
    try {
      return await becomeReady(child, (url) => new BenchNode(url, folder, child));
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** The store's file. */
  get store(): string {
    return join(this.folder, 'state', 'store.db');
  }

  async apply(text: string): Promise<void> {
    await this.client.applyObjects({ files: [{ name: 'bench.yaml', text }], prune: true, signal });
  }

  /** The text of its metrics' lines that begin with a name, as numbers. */
  async metric(name: string): Promise<number[]> {
    const text = await this.client.getMetrics({ signal });
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
    await ended;
    clearTimeout(timer);
  }
}

async function becomeReady(child: ChildProcess, made: (url: string) => BenchNode): Promise<BenchNode> {
  let log = '';
  const listening = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-tailCharacters);
      const url = /"url":"([^"]+)"/.exec(log)?.[1];
      if (url !== undefined) listening.resolve(url);
    });
  }
  child.once('error', listening.reject);
  child.once('exit', (code, name) =>
    listening.reject(new Error(`the node ended with ${code ?? name}:\n${log}`)),
  );
  const timer = setTimeout(
    () => listening.reject(new Error(`the node did not begin to listen:\n${log}`)),
    readyMsMax,
  );
  const url = await listening.promise.finally(() => clearTimeout(timer));
  const node = made(url);
  await until(
    'the node is ready',
    readyMsMax,
    async () => (await node.client.getReadiness({ signal })).ready,
    2,
  );
  return node;
}

/** Asks again and again, for so long at most. */
export async function until(
  what: string,
  msMax: number,
  holds: () => boolean | Promise<boolean>,
  everyMs = 50,
): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${msMax / 1000} s in vain: ${what}`);
    await sleep(everyMs);
  }
}

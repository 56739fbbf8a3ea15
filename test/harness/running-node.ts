import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type ClientOptions, type RunView } from '@holdfast/client';
import { until } from './processes.ts';
import { type Outcome, type RunOptions, runHoldfast } from './run-holdfast.ts';

const root = join(import.meta.dirname, '..', '..');
const launcher = join(root, 'packages', 'cli', 'bin', 'holdfast.mjs');
const { signal } = new AbortController();

export interface NodeSettings {
  /** Holds its file, its state and its staging; the same one again is the same node. */
  readonly folder: string;
  /** `test-node` unless said. */
  readonly name?: string;
  /** Lines of `holdfast.yaml` besides name, state, listen and log. */
  readonly config?: string;
  /** The least that it logs; `info` unless said. */
  readonly logLevel?: 'debug';
  readonly env?: Readonly<Record<string, string>>;
  /** What comes after `listen:`; on loopback, without TLS and token, by default. */
  readonly listen?: string;
  /** What its client needs to be let in. */
  readonly access?: Pick<ClientOptions, 'token' | 'ca'>;
}

/** `holdfast start` in a process of its own, on a free port. */
export class RunningNode implements AsyncDisposable {
  readonly client: Client;
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<Outcome>;
  readonly #log: () => string;

  private constructor(client: Client, process: ChildProcess, ended: Promise<Outcome>, log: () => string) {
    this.url = client.server;
    this.client = client;
    this.#process = process;
    this.#ended = ended;
    this.#log = log;
  }

  static async start(settings: NodeSettings): Promise<RunningNode> {
    const file = await writeConfig(settings);
    const child = spawn(process.execPath, [launcher, 'start', '--config', file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...settings.env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = once(child, 'close').then(([code, signalName]): Outcome => {
      return { code: code as number | null, signal: signalName as NodeJS.Signals | null, stdout, stderr };
    });
    const urlOf = (): string | undefined => /"url":"([^"]+)"/.exec(stdout)?.[1];
    await until('the node listens', () => {
      if (child.exitCode !== null)
        throw new Error(`the node ended with ${child.exitCode}: ${stderr}${stdout}`);
      return urlOf() !== undefined;
    });
    const node = new RunningNode(
      new Client({ ...settings.access, url: urlOf() ?? '' }),
      child,
      ended,
      () => stdout + stderr,
    );
    await until('the node is ready', async () => (await node.client.getReadiness({ signal })).ready);
    return node;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What it has said so far. */
  get log(): string {
    return this.#log();
  }

  /** A command that asks this node. */
  holdfast(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return runHoldfast(args, { ...options, env: { HOLDFAST_SERVER: this.url, ...options.env } });
  }

  async apply(text: string, o: { readonly prune?: boolean } = {}): Promise<void> {
    await this.client.applyObjects({ files: [{ name: 'test.yaml', text }], prune: o.prune ?? false, signal });
  }

  /** Runs a task by hand and waits for its end, however it ends. */
  async run(task: string, scope?: 'full' | 'incremental'): Promise<RunView> {
    const started = await this.client.runTask({ task, signal, ...(scope && { scope }) });
    return this.ended(started.run.id);
  }

  async ended(run: string): Promise<RunView> {
    for (;;) {
      const view = await this.client.getRun({ run, wait: '30s', signal });
      if (view.endedAt !== undefined) return view;
    }
  }

  /** All runs of a task, the oldest first. */
  async history(task: string): Promise<RunView[]> {
    const { runs } = await this.client.listRuns({ task, limit: 500, signal });
    return [...runs].reverse();
  }

  signal(name: NodeJS.Signals): Promise<Outcome> {
    this.#process.kill(name);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.signal('SIGTERM');
  }
}

/** The node's own file; the port is any free one. */
export async function writeConfig({
  folder,
  name = 'test-node',
  config = '',
  logLevel,
  listen = '{ address: "127.0.0.1:0" }',
}: NodeSettings): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'holdfast.yaml');
  const text = `name: ${name}\nstate: ./state\nlisten: ${listen}\nlog: { format: json${logLevel === undefined ? '' : `, level: ${logLevel}`} }\n${config}\n`;
  await writeFile(file, text);
  return file;
}

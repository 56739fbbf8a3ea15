import { readFile } from 'node:fs/promises';
import { ServerProcess } from './server-process.ts';

export interface EtcdMemberParts {
  readonly name: string;
  /** Where clients come. */
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** Where it answers about its health, always without TLS. */
  readonly healthPort: number;
  readonly args: readonly string[];
  readonly folder: string;
  readonly logFile: string;
}

const readyMsMax = 30_000;

/** One process of an etcd cluster. */
export class EtcdMember {
  readonly name: string;
  readonly port: number;
  readonly #parts: EtcdMemberParts;
  #process: ServerProcess | undefined;

  constructor(parts: EtcdMemberParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.port = parts.port;
  }

  get url(): string {
    return this.urlAt(this.port);
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** Its URL as it is behind a proxy that listens on another port of this machine. */
  urlAt(port: number): string {
    return `${this.#parts.scheme}://127.0.0.1:${port}`;
  }

  /** Starts the process, on the data that it had; does not wait. */
  async spawn(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} is running already`);
    const { args, folder, logFile } = this.#parts;
    this.#process = await ServerProcess.spawn({ file: 'etcd', args, folder, logFile });
  }

  /** Until it knows a leader and takes requests. */
  async ready(): Promise<void> {
    await this.#process?.untilReady(() => this.#isHealthy(), readyMsMax);
  }

  async restart(): Promise<void> {
    await this.spawn();
    await this.ready();
  }

  /** Sudden death. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** It stays there and keeps its connections, but says and hears nothing. */
  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }

  log(): Promise<string> {
    return readFile(this.#parts.logFile, 'utf8');
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#parts.healthPort}/health`);
      const { health } = (await answer.json()) as { health: string };
      return health === 'true';
    } catch {
      return false;
    }
  }
}

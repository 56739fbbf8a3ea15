import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { ServerProcess } from './server-process.ts';
import type { TemporaryFolder } from './temporary-folder.ts';

export interface AzuriteServerParts {
  readonly process: ServerProcess;
  readonly folder: TemporaryFolder;
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

/** A private Azurite, which keeps everything in memory. Every test takes a container of its own. */
export class AzuriteServer implements AsyncDisposable {
  /** The account that every Azurite has, with the key that is printed in its documentation. */
  readonly account = 'devstoreaccount1';
  readonly accountKey =
    'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
  readonly port: number;
  readonly #parts: AzuriteServerParts;

  constructor(parts: AzuriteServerParts) {
    this.#parts = parts;
    this.port = parts.port;
  }

  get endpoint(): string {
    return this.endpointAt(this.port);
  }

  get pid(): number {
    return this.#parts.process.pid;
  }

  /** The endpoint as it is behind a proxy that listens on another port of this machine. */
  endpointAt(port: number): string {
    return `${this.#parts.scheme}://127.0.0.1:${port}/${this.account}`;
  }

  /**
   * Makes a container, empty and of a new name unless one is given; returns its name.
   * @param caFile whom to trust, for a server with a certificate
   */
  async createContainer(name = `c${randomBytes(8).toString('hex')}`, caFile?: string): Promise<string> {
    const date = new Date().toUTCString();
    const version = '2021-12-02';
    const headers = `x-ms-date:${date}\nx-ms-version:${version}\n`;
    const resource = `/${this.account}/${this.account}/${name}\nrestype:container`;
    const signed = `PUT\n${'\n'.repeat(11)}${headers}${resource}`;
    const key = Buffer.from(this.accountKey, 'base64');
    const signature = createHmac('sha256', key).update(signed).digest('base64');
    const ca = caFile === undefined ? undefined : await readFile(caFile);
    const send = this.#parts.scheme === 'https' ? requestHttps : requestHttp;
    const status = await new Promise<number>((resolve, reject) => {
      const sent = send(`${this.endpoint}/${name}?restype=container`, {
        method: 'PUT',
        agent: false,
        ca,
        headers: {
          'x-ms-date': date,
          'x-ms-version': version,
          authorization: `SharedKey ${this.account}:${signature}`,
          'content-length': 0,
        },
      });
      sent.once('response', (answer) => resolve(answer.resume().statusCode ?? 0)).once('error', reject);
      sent.end();
    });
    if (status !== 201) throw new Error(`no container ${name}: the server answers ${status}`);
    return name;
  }

  signal(signal: NodeJS.Signals): void {
    this.#parts.process.signal(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.process.stop('SIGKILL');
    await this.#parts.folder[Symbol.asyncDispose]();
  }
}

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AzuriteServer } from '@holdfast/testing';

export interface Seen {
  readonly method: string;
  /** `block`, `blocklist`, `tier`, or empty for the object itself. */
  readonly comp: string;
  readonly query: URLSearchParams;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
}

export interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Stands between a driver and a server (or for one): counts requests, answers some itself, changes others. */
export class Between implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** An answer of its own; what has none goes on to the server. */
  judge: (seen: Seen) => Answer | undefined = () => undefined;
  /** What arrives at the server instead. */
  changeBody: (body: Buffer, seen: Seen) => Buffer = (body) => body;
  changeAnswer: (headers: Record<string, string>, seen: Seen) => void = () => undefined;
  readonly #server: AzuriteServer | undefined;
  readonly #listener: Server;

  private constructor(server: AzuriteServer | undefined) {
    this.#server = server;
    this.#listener = createServer((from, to) => void this.#serve(from, to));
  }

  static async open(server?: AzuriteServer): Promise<Between> {
    const between = new Between(server);
    between.#listener.listen(0, '127.0.0.1');
    await once(between.#listener, 'listening');
    return between;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}/devstoreaccount1`;
  }

  count(method: string, comp: string): number {
    return this.seen.filter((seen) => seen.method === method && seen.comp === comp).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.closeAllConnections();
    this.#listener.close();
  }

  async #serve(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of from) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(pieces);
    const url = new URL(from.url ?? '/', 'http://between');
    const seen: Seen = {
      method: from.method ?? '',
      comp: url.searchParams.get('comp') ?? '',
      query: url.searchParams,
      path: url.pathname,
      headers: from.headers,
      bytes: body.length,
    };
    this.seen.push(seen);
    const own = this.judge(seen);
    if (own || !this.#server) return answer(to, own ?? { status: 404, code: 'BlobNotFound' });
    this.#forward(from, this.changeBody(body, seen), (headers, status, rest) => {
      this.changeAnswer(headers, seen);
      to.writeHead(status, headers);
      rest.pipe(to);
    });
  }

  #forward(
    from: IncomingMessage,
    body: Buffer,
    answered: (headers: Record<string, string>, status: number, rest: IncomingMessage) => void,
  ): void {
    const { method, url: path, headers } = from;
    const port = this.#server?.port;
    const onward = request({ host: '127.0.0.1', port, method, path, headers }, (rest) => {
      answered({ ...(rest.headers as Record<string, string>) }, rest.statusCode ?? 500, rest);
    });
    onward.on('error', () => from.destroy());
    onward.end(body);
  }
}

function answer(to: ServerResponse, { status, code, headers }: Answer): void {
  const text =
    code === undefined
      ? ''
      : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}.</Message></Error>`;
  to.writeHead(status, {
    'content-length': Buffer.byteLength(text),
    'content-type': 'application/xml',
    ...(code !== undefined && { 'x-ms-error-code': code }),
    ...headers,
  });
  to.end(text);
}

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface Answered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface S3Stub extends AsyncDisposable {
  readonly endpoint: string;
  readonly asked: Asked[];
}

/** A server that answers as it is told: for what no real server does on demand. */
export async function startStub(
  answer: (asked: Asked) => Answered | undefined,
  tls?: { readonly key: string; readonly cert: string },
): Promise<S3Stub> {
  const seen: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    const asking = readAsked(request).then((asked) => {
      seen.push(asked);
      const said = answer(asked);
      // Never answered: a server that hangs.
      if (said) response.writeHead(said.status, { ...said.headers }).end(said.body);
    });
    // The client went away.
    asking.catch(() => response.destroy());
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    endpoint: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    asked: seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function readAsked(request: IncomingMessage): Promise<Asked> {
  const body = Buffer.concat(await request.toArray());
  const url = new URL(request.url ?? '/', 'http://stub');
  const headers = request.headers as Asked['headers'];
  return { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers, body };
}

export function refusal(
  status: number,
  code: string,
  o: { headers?: Record<string, string>; more?: string } = {},
): Answered {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} it says</Message>${o.more ?? ''}</Error>`;
  return { status, body, headers: { 'content-type': 'application/xml', ...o.headers } };
}

export function tagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** A little S3 in memory: objects whole and in parts. `keep` is what it makes of bytes before it stores them. */
export class TinyS3 {
  readonly objects = new Map<string, Buffer>();
  readonly #parts = new Map<string, Map<number, Buffer>>();
  readonly #keep: (bytes: Buffer) => Buffer;

  constructor(keep: (bytes: Buffer) => Buffer = (bytes) => bytes) {
    this.#keep = keep;
  }

  answer(asked: Asked): Answered {
    const { method, path, query, body } = asked;
    const uploadId = query.get('uploadId');
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${this.#parts.size + 1}`;
      this.#parts.set(id, new Map());
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (method === 'PUT' && uploadId !== null) {
      const kept = this.#keep(body);
      this.#parts.get(uploadId)?.set(Number(query.get('partNumber')), kept);
      return { status: 200, headers: { etag: tagOf(kept) } };
    }
    if (method === 'POST' && uploadId !== null) {
      const parts = [...(this.#parts.get(uploadId) ?? [])].sort(([a], [b]) => a - b);
      this.objects.set(path, Buffer.concat(parts.map(([, bytes]) => bytes)));
      return xml('<CompleteMultipartUploadResult><ETag>"of-its-own"</ETag></CompleteMultipartUploadResult>');
    }
    if (method === 'PUT') {
      const kept = this.#keep(body);
      this.objects.set(path, kept);
      return { status: 200, headers: { etag: tagOf(kept) } };
    }
    if (method === 'DELETE') {
      if (uploadId === null) this.objects.delete(path);
      else this.#parts.delete(uploadId);
      return { status: 204 };
    }
    const object = this.objects.get(path);
    if (!object) return method === 'HEAD' ? { status: 404 } : refusal(404, 'NoSuchKey');
    const headers = { etag: tagOf(object), 'content-length': String(object.length) };
    return { status: 200, headers, ...(method === 'GET' && { body: object }) };
  }
}

export function xml(text: string): Answered {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: text };
}

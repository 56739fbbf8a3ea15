import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

/** What a client asked for when it had an object thawed. */
export interface ThawRequest {
  readonly path: string;
  /** As the body says it: `Standard`. */
  readonly tier: string;
  readonly days: number;
}

interface ColdObject {
  readonly storageClass: string;
  state: 'cold' | 'thawing' | 'thawed';
}

const coldClasses = ['GLACIER', 'DEEP_ARCHIVE'];

/**
 * Stands before an S3 server that keeps storage classes but lets everything be read, and plays what Amazon does with
 * cold ones: they cannot be read until they were thawed, and a thaw takes until the test says that it is over. It knows
 * the classes of what was written through it. The client signs for the proxy's address, which is passed on unchanged.
 */
export class ColdS3Proxy implements AsyncDisposable {
  readonly endpoint: string;
  /** In the order of their arrival. */
  readonly thawRequests: ThawRequest[] = [];
  readonly #server: Server;
  readonly #objects = new Map<string, ColdObject>();

  constructor(server: Server, targetPort: number) {
    this.#server = server;
    const { port } = server.address() as { port: number };
    this.endpoint = `http://127.0.0.1:${port}`;
    server.on('request', (asked: IncomingMessage, answer: ServerResponse) => {
      this.#handle(asked, answer, targetPort).catch(() => answer.destroy());
    });
  }

  /** Everything that is thawing can be read from now on. */
  finishThaws(): void {
    for (const object of this.#objects.values()) if (object.state === 'thawing') object.state = 'thawed';
  }

  /** The days are over: what was thawed is cold again. */
  expireThaws(): void {
    for (const object of this.#objects.values()) if (object.state === 'thawed') object.state = 'cold';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(asked: IncomingMessage, answer: ServerResponse, targetPort: number): Promise<void> {
    const url = new URL(asked.url ?? '/', this.endpoint);
    const { pathname: path, searchParams: query } = url;
    const object = this.#objects.get(path);
    const { method } = asked;
    if (method === 'POST' && query.has('restore')) return this.#thaw(path, asked, answer);
    const reads = method === 'GET' && !query.has('uploadId') && !query.has('tagging');
    if (reads && object && object.state !== 'thawed') return refuse(answer, 403, 'InvalidObjectState');
    const writes =
      (method === 'PUT' && !query.has('partNumber')) || (method === 'POST' && query.has('uploads'));
    const wanted = String(asked.headers['x-amz-storage-class'] ?? 'STANDARD');
    const passed = request({
      port: targetPort,
      host: '127.0.0.1',
      method,
      path: asked.url,
      headers: asked.headers,
    });
    asked.pipe(passed);
    asked.once('close', () => {
      if (!asked.complete) passed.destroy();
    });
    const [got] = (await once(passed, 'response')) as [IncomingMessage];
    if (writes && got.statusCode === 200) this.#note(path, wanted);
    const restore = object && restoreHeader(object);
    const { statusCode = 500, headers } = got;
    answer.writeHead(statusCode, { ...headers, ...(restore && { 'x-amz-restore': restore }) });
    got.pipe(answer);
  }

  #note(path: string, storageClass: string): void {
    if (coldClasses.includes(storageClass)) this.#objects.set(path, { storageClass, state: 'cold' });
    else this.#objects.delete(path);
  }

  async #thaw(path: string, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = (await asked.toArray()).join('');
    const object = this.#objects.get(path);
    if (!object) return refuse(answer, 403, 'InvalidObjectState');
    const tier = /<Tier>(\w+)<\/Tier>/.exec(body)?.[1] ?? 'Standard';
    if (object.storageClass === 'DEEP_ARCHIVE' && tier === 'Expedited') {
      return refuse(answer, 400, 'InvalidArgument');
    }
    if (object.state === 'thawing') return refuse(answer, 409, 'RestoreAlreadyInProgress');
    this.thawRequests.push({ path, tier, days: Number(/<Days>(\d+)<\/Days>/.exec(body)?.[1]) });
    const status = object.state === 'thawed' ? 200 : 202;
    if (object.state === 'cold') object.state = 'thawing';
    answer.writeHead(status).end();
  }
}

function restoreHeader({ state }: ColdObject): string | undefined {
  if (state === 'cold') return undefined;
  if (state === 'thawing') return 'ongoing-request="true"';
  return 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"';
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  answer.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body);
}

/** @param targetPort of an S3 server on this machine that speaks plain http */
export async function startColdS3Proxy(targetPort: number): Promise<ColdS3Proxy> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new ColdS3Proxy(server, targetPort);
}

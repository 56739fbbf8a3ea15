import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before an HTTP server, hands everything on as it came, and counts the requests. */
export class RequestCounter implements AsyncDisposable {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: Server;
  readonly #counts = new Map<string, number>();

  private constructor(port: number) {
    const carry = (from: IncomingMessage, to: ServerResponse): void => {
      this.#count(from);
      const { method, url: path, rawHeaders } = from;
      // With the host that was asked for: it is signed.
      const onward = { port, host: '127.0.0.1', method, path, headers: rawHeaders, agent: this.#agent };
      const sent = request(onward, (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(to);
      });
      sent.on('error', () => to.destroy());
      from.pipe(sent);
    };
    this.#server = createServer({ noDelay: true }, carry);
  }

  static async open(port: number): Promise<RequestCounter> {
    const counter = new RequestCounter(port);
    counter.#server.listen(0, '127.0.0.1');
    await once(counter.#server, 'listening');
    return counter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `PUT object 200`, … by kind, since the last call. */
  take(): ReadonlyMap<string, number> {
    const taken = new Map(this.#counts);
    this.#counts.clear();
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #count({ method, url = '' }: IncomingMessage): void {
    const [path = '', query = ''] = url.split('?');
    const what = path.split('/').filter((part) => part !== '').length > 1 ? 'object' : 'bucket';
    const names = [...new URLSearchParams(query).keys()].filter((name) => name !== 'x-id').slice(0, 2);
    const kind = [method, what, ...names].join(' ');
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }
}

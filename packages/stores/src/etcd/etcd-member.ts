import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Auth, KV, Lease, Maintenance, Watch } from './etcd.generated.ts';

/** Whoever uses a connection hears of its errors in other ways; one that comes after its end is nobody's. */
const quiet = (): void => {};

/** The manager stops listening to a session that it gives up, also to one whose error is still to come. */
class QuietSessions extends Http2SessionManager {
  override async request(...o: Parameters<Http2SessionManager['request']>) {
    const stream = await super.request(...o);
    const { session } = stream;
    if (session && !session.listeners('error').includes(quiet)) session.on('error', quiet);
    return stream;
  }
}

/** One endpoint, and the one connection to it that all its calls share. */
export class EtcdMember {
  readonly url: string;
  readonly kv: Client<typeof KV>;
  readonly lease: Client<typeof Lease>;
  readonly watch: Client<typeof Watch>;
  readonly auth: Client<typeof Auth>;
  readonly maintenance: Client<typeof Maintenance>;
  readonly #sessions: QuietSessions;
  readonly #tls: SecureContext | undefined;
  /** Whether it has ever answered as an etcd does. */
  hasAnswered = false;
  #socket: Socket | undefined;
  #gone = Promise.resolve();
  #opened = 0;

  constructor(url: string, tls: SecureContext | undefined) {
    this.url = url;
    this.#tls = tls;
    // Signs of life are the callers' business: etcd ends a connection that pings more often than it likes.
    this.#sessions = new QuietSessions(url, {}, { createConnection: (to) => this.#open(to) });
    const transport = createGrpcTransport({ baseUrl: url, sessionManager: this.#sessions });
    this.kv = createClient(KV, transport);
    this.lease = createClient(Lease, transport);
    this.watch = createClient(Watch, transport);
    this.auth = createClient(Auth, transport);
    this.maintenance = createClient(Maintenance, transport);
  }

  /** Resolves when there is a connection. Rejects with what is wrong: then nothing was sent. */
  async connect(): Promise<void> {
    if ((await this.#sessions.connect()) === 'error') throw this.#sessions.error();
  }

  /** How much has come so far, of whichever connection: when it is the same later on, nothing has. */
  get heard(): string {
    return `${this.#opened}:${this.#socket?.bytesRead ?? 0}`;
  }

  /**
   * Gives the connection up, with all calls on it. What the other side has not read yet it will never read: the system
   * would otherwise go on sending it, minutes later, too.
   */
  reset(why: string): void {
    this.#socket?.resetAndDestroy();
    this.#sessions.abort(new ConnectError(why, Code.Unavailable));
  }

  /** Resolves when nothing of the connection is left. */
  async close(): Promise<void> {
    this.reset('the store was closed');
    await this.#gone;
  }

  #open({ hostname, port, protocol }: URL): Socket {
    // Node writes IPv6 addresses of URLs in brackets.
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const socket = connectTcp({
      host,
      port: Number(port || (protocol === 'https:' ? 443 : 80)),
      noDelay: true,
    });
    socket.on('error', quiet);
    this.#gone = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#socket = socket;
    this.#opened += 1;
    if (protocol !== 'https:') return socket;
    const isName = !/^[\d.]+$|:/.test(host);
    const secure = connectTls({
      socket,
      host,
      ALPNProtocols: ['h2'],
      ...(isName && { servername: host }),
      ...(this.#tls && { secureContext: this.#tls }),
    });
    secure.on('error', quiet);
    return secure;
  }
}

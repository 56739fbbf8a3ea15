import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../servers/free-port.ts';
import { TcpFlow, TcpLine } from './tcp-line.ts';

/**
 * - `pass`: bytes go through;
 * - `refuse`: nobody listens; connections that are open go on;
 * - `stall`: connections are taken and stay open, but nothing arrives, in both directions or in one; what was underway
 *   arrives after the next `pass`;
 * - `reset`: a connection is reset when it sends or gets its next byte.
 */
export type ProxyMode = 'pass' | 'refuse' | 'stall' | 'stallToServer' | 'stallToClient' | 'reset';

export interface TcpProxyOptions {
  /** Where the server is; 127.0.0.1 unless said. */
  readonly host?: string;
  /** Where the proxy listens; a free port unless said. */
  readonly listenPort?: number;
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A line to a server, with faults: `await using proxy = await TcpProxy.open(port)`. What is changed holds for open
 * connections as well, from the next byte on.
 */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly toServer = new TcpLine();
  readonly toClient = new TcpLine();
  /** Taken since the last `resetCounters`. */
  connections = 0;
  /** Connections that `cut`, `cutAfter` and `reset` ended since the last `resetCounters`. */
  cuts = 0;
  readonly #target: { readonly port: number; readonly host: string };
  readonly #live = new Set<Connection>();
  #listener: Server | undefined;
  #mode: ProxyMode = 'pass';

  private constructor(target: { port: number; host: string }, port: number) {
    this.#target = target;
    this.port = port;
  }

  static async open(port: number, o: TcpProxyOptions = {}): Promise<TcpProxy> {
    const target = { port, host: o.host ?? '127.0.0.1' };
    const proxy = new TcpProxy(target, o.listenPort ?? (await freePort()));
    await proxy.#listen();
    return proxy;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** How many connections are open as far as their clients are concerned: those have not closed them. */
  get live(): number {
    return [...this.#live].filter(({ client }) => !client.readableEnded && !client.destroyed).length;
  }

  get toServerBytes(): number {
    return this.toServer.bytes;
  }

  get toClientBytes(): number {
    return this.toClient.bytes;
  }

  resetCounters(): void {
    this.connections = 0;
    this.cuts = 0;
    this.toServer.bytes = 0;
    this.toClient.bytes = 0;
  }

  async setMode(mode: ProxyMode): Promise<void> {
    this.#mode = mode;
    this.toServer.stalled = mode === 'stall' || mode === 'stallToServer';
    this.toClient.stalled = mode === 'stall' || mode === 'stallToClient';
    if (mode === 'refuse') this.#unlisten();
    else await this.#listen();
  }

  /** After so many further bytes in a direction, over all connections, the one that brought them is reset, once. They arrive, but for what a receiver does not read at once. */
  cutAfter(bytes: number, direction: 'toServer' | 'toClient' = 'toServer'): void {
    this[direction].cutAfter = bytes;
  }

  /** Each way. A round trip takes twice as long; how much goes through does not change. */
  set delayMs(ms: number) {
    this.toServer.delayMs = ms;
    this.toClient.delayMs = ms;
  }

  /** Each way, for all connections together; 0 is no limit. */
  set bytesPerSecond(rate: number) {
    this.toServer.bytesPerSecond = rate;
    this.toClient.bytesPerSecond = rate;
  }

  /** Resets all open connections, at both ends. */
  cut(): void {
    for (const connection of this.#live) this.#reset(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlisten();
    this.cut();
    // Flows that wait find their sockets gone.
    this.toServer.stalled = false;
    this.toClient.stalled = false;
  }

  async #listen(): Promise<void> {
    if (this.#listener) return;
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#carry(client));
    this.#listener = listener;
    listener.listen(this.port, '127.0.0.1');
    await once(listener, 'listening');
  }

  #unlisten(): void {
    // The port is free at once; its open connections do not matter to that.
    this.#listener?.close();
    this.#listener = undefined;
  }

  #carry(client: Socket): void {
    this.connections += 1;
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const connection = { client, server };
    this.#live.add(connection);
    const cut = (): void => this.#reset(connection);
    new TcpFlow(this.toServer, { from: client, to: server, cut });
    new TcpFlow(this.toClient, { from: server, to: client, cut });
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      end.on('data', () => {
        if (this.#mode === 'reset') cut();
      });
      // One that was reset, or never came up, takes the other with it.
      end.on('error', () => other.resetAndDestroy());
      end.on('close', () => {
        if (client.destroyed && server.destroyed) this.#live.delete(connection);
      });
    }
  }

  #reset(connection: Connection): void {
    if (this.#live.delete(connection)) this.cuts += 1;
    connection.client.resetAndDestroy();
    connection.server.resetAndDestroy();
  }
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { PostgresServer } from '@holdfast/testing';

/** A server, or what another process has told of one. */
export type WiredServer = Pick<PostgresServer, 'port' | 'url'>;

type Direction = 'from server' | 'to server';

/**
 * The way between a command and its server, which can be stopped in the middle of the data: so a run is caught at work
 * whatever the machine's speed. Only connections that carry much are held; those of a run that cleans up pass freely.
 */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #postgres: WiredServer;
  readonly #sockets = new Set<Socket>();
  #limit: { readonly direction: Direction; readonly bytes: number; readonly reached: () => void } | undefined;
  #held: (() => void)[] = [];

  private constructor(postgres: WiredServer) {
    this.#postgres = postgres;
    this.#server = createServer((client) => {
      const server = connect(postgres.port, '127.0.0.1');
      this.#pass(client, server, 'to server');
      this.#pass(server, client, 'from server');
    });
  }

  static async open(postgres: WiredServer): Promise<Wire> {
    const wire = new Wire(postgres);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  url(database: string, user = 'postgres'): string {
    const url = new URL(this.#postgres.url(database, user));
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /** From now on no connection passes more than this in this direction. Resolves when the first one is held. */
  holdAfter(bytes: number, direction: Direction): Promise<void> {
    return new Promise((reached) => {
      this.#limit = { bytes, direction, reached };
    });
  }

  /** Lets go of what is held, and holds nothing any more. */
  release(): void {
    this.#limit = undefined;
    for (const go of this.#held.splice(0)) go();
  }

  #pass(from: Socket, to: Socket, direction: Direction): void {
    let passed = 0;
    let held = false;
    this.#sockets.add(from);
    from.on('data', (block: Buffer) => {
      passed += block.length;
      const limit = this.#limit;
      if (limit?.direction === direction && passed > limit.bytes) {
        held = true;
        from.pause();
        this.#held.push(() => {
          held = false;
          to.write(block);
          from.resume();
        });
        limit.reached();
      } else if (!to.write(block)) {
        from.pause();
        to.once('drain', () => {
          if (!held) from.resume();
        });
      }
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

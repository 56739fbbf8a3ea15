import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HoldfastError } from '@holdfast/core';
import type { AnySocket, FtpSession } from './session.ts';

const connectMsMax = 30_000;

/** The connection that the bytes of one transfer take. It never fails by itself: what went wrong is in `failure`. */
export class DataConnection {
  readonly #session: FtpSession;
  readonly #raw: Socket;
  #socket: AnySocket;
  #failure: unknown;

  private constructor(session: FtpSession, raw: Socket) {
    this.#session = session;
    this.#raw = raw;
    this.#socket = raw;
    this.#watch(raw);
  }

  /** Connects to where the server waits for it; TLS begins once the server has taken the command. */
  static async open(session: FtpSession): Promise<DataConnection> {
    const port = await session.passivePort();
    const host = session.remoteAddress;
    if (host === undefined) throw new HoldfastError('unavailable', 'the connection to the server is gone');
    const raw = connect({ host, port, noDelay: true });
    const data = new DataConnection(session, raw);
    raw.setTimeout(connectMsMax, () => {
      const reason = `no data connection to port ${port} of the server within ${connectMsMax / 1000} seconds`;
      data.destroy(new HoldfastError('timeout', reason, { hint: passiveHint }));
    });
    await session.stoppedBy(
      () => data.destroy(new Error('stopped')),
      () => data.#untilConnected(port),
    );
    raw.setTimeout(0);
    return data;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Bytes as they come. */
  get blocks(): AsyncIterable<Uint8Array> {
    return this.#socket as AsyncIterable<Uint8Array>;
  }

  /** Resolves when it is known who is at the other end. */
  async secure(): Promise<void> {
    const { trust } = this.#session;
    if (this.#failure !== undefined) throw this.#failure;
    if (trust === undefined) return;
    const socket = connectTls({
      ...trust.options,
      socket: this.#raw,
      ...(this.#session.tlsSession && { session: this.#session.tlsSession }),
    });
    this.#socket = socket;
    this.#watch(socket);
    // TLS 1.3 hands out tickets that are good for one connection each: the next one needs the newest.
    socket.on('session', (session) => {
      this.#session.tlsSession = session;
    });
    await Promise.race([once(socket, 'secureConnect'), this.#closed(socket)]);
    trust.check(socket);
  }

  /** Resolves when the block has left: its memory may be used again. */
  write(block: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(block, (error) => {
        if (error) reject((this.#failure as Error | undefined) ?? error);
        else resolve();
      });
    });
  }

  /** Says that no more comes. */
  async end(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    // The server closes it in turn, with or without the last words of TLS.
    this.#socket.resume();
    await new Promise<void>((resolve) => {
      this.#socket.end(() => resolve());
      this.#socket.once('close', () => resolve());
    });
    if (this.#failure !== undefined) throw this.#failure;
  }

  destroy(reason?: unknown): void {
    if (reason !== undefined) this.#failure ??= reason;
    this.#socket.destroy();
    this.#raw.destroy();
  }

  #watch(socket: AnySocket): void {
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  async #untilConnected(port: number): Promise<void> {
    await Promise.race([once(this.#raw, 'connect'), this.#closed(this.#raw)]).catch((error: unknown) => {
      this.destroy();
      if (error instanceof HoldfastError) throw error;
      const cause = this.#failure ?? error;
      throw new HoldfastError('unavailable', `no data connection to port ${port} of the server`, {
        hint: passiveHint,
        cause,
      });
    });
  }

  /** Rejects when the socket is closed. */
  async #closed(socket: AnySocket): Promise<never> {
    await once(socket, 'close').catch(() => undefined);
    throw this.#failure ?? new HoldfastError('unavailable', 'the server closed the data connection');
  }
}

const passiveHint =
  "the server names a port for each transfer (passive mode): open its range of passive ports in the firewalls, and in the server's settings";

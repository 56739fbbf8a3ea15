import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import tls from 'node:tls';
import { HoldfastError } from '@holdfast/core';
import { describeHost, type Host, type Target } from './url.ts';

/** Takes the bytes of a connection instead of `pg`, for as long as a COPY lasts. */
export interface Tap {
  /** Where the next bytes from the socket may be put; asked for after each `received`. */
  room(): Uint8Array;
  /** Bytes have come, in `room()` or elsewhere. False pauses the socket until `resume`. */
  received(bytes: Uint8Array): boolean;
  /** The connection has ended; no more will come. */
  ended(error: Error | undefined): void;
}

type Patience = Pick<Target, 'connectTimeoutMs'>;

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const keepAliveMs = 30_000;
/** How long a connection that was told to end may take to do so. */
const goodbyeMs = 2_000;

/**
 * A connection to a server, as `pg` wants to see one, whose bytes can be taken past `pg`: the socket then writes
 * straight into the memory of the scanner (`onread`), without streams, Buffers and copies. TLS has no `onread`; there
 * the decrypted pieces are handed over as they come.
 */
export class Wire extends EventEmitter {
  readonly host: Host;
  readonly #socket: net.Socket;
  readonly #address: string | undefined;
  #tap: Tap | undefined;
  #failure: Error | undefined;

  private constructor(host: Host, socket: net.Socket) {
    super();
    this.host = host;
    this.#socket = socket;
    // Kept: a closed socket has forgotten it.
    this.#address = socket.remoteAddress;
    // Until pg listens, and after it has gone, an error has nobody to go to; `failure` keeps it.
    this.on('error', () => {});
    socket.setNoDelay(true);
    if (!host.host.startsWith('/')) socket.setKeepAlive(true, keepAliveMs);
    socket.on('error', (error) => {
      this.#failure = error;
      if (this.#tap === undefined) this.emit('error', error);
    });
    socket.on('close', () => {
      this.#tap?.ended(this.#failure);
      this.emit('close');
    });
    socket.on('drain', () => this.emit('drain'));
  }

  /** @throws what the socket or TLS throws: `translate` knows them */
  static async open(target: Target, host: Host, signal: AbortSignal): Promise<Wire> {
    signal.throwIfAborted();
    // TLS is not spoken over Unix sockets, by libpq neither.
    const { mode } = target.tls;
    if (mode !== 'disable' && !host.host.startsWith('/')) {
      const secure = await secureSocket(target, host, signal);
      if (secure) {
        const wire = new Wire(host, secure);
        secure.on('data', (bytes: Buffer) => wire.#receive(bytes));
        return wire;
      }
      if (mode !== 'prefer') {
        throw new HoldfastError(
          'unavailable',
          `${describeHost(host)} does not speak TLS, which sslmode=${mode} requires`,
          {
            hint: 'set ssl = on in postgresql.conf, or sslmode=prefer in the URL',
          },
        );
      }
    }
    let wire: Wire | undefined;
    const idle = new Uint8Array(65_536);
    const socket = new net.Socket({
      onread: {
        buffer: () => (wire ? wire.#room(idle) : idle),
        callback: (count: number, buffer: Uint8Array) =>
          wire ? wire.#receive(buffer.subarray(0, count)) : true,
      },
    });
    await connected(socket, target, host, signal);
    wire = new Wire(host, socket);
    return wire;
  }

  #room(idle: Uint8Array): Uint8Array {
    return this.#tap ? this.#tap.room() : idle;
  }

  #receive(bytes: Uint8Array): boolean {
    if (this.#tap) {
      const more = this.#tap.received(bytes);
      // `onread` pauses by the answer; the pieces of TLS have to be stopped by hand.
      if (!more && this.#socket instanceof tls.TLSSocket) this.#socket.pause();
      return more;
    }
    // pg keeps what it is given, and the buffer is about to be written over.
    this.emit('data', Buffer.from(bytes));
    return true;
  }

  /** Gives the server up when it is silent for so long while `work` waits for it. */
  async whileAnswering<T>(patience: Patience, work: () => Promise<T>): Promise<T> {
    const giveUp = (): void => this.destroy(silence(patience, this.host));
    this.#socket.setTimeout(patience.connectTimeoutMs, giveUp);
    try {
      return await work();
    } finally {
      this.#socket.setTimeout(0, giveUp);
    }
  }

  /** From now on bytes go to `tap`; undefined gives them back to pg. Only while no query is under way. */
  tap(tap: Tap | undefined): void {
    this.#tap = tap;
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Where the host's name has led; undefined for a Unix socket. */
  get address(): string | undefined {
    return this.#address;
  }

  get encrypted(): boolean {
    return this.#socket instanceof tls.TLSSocket;
  }

  /** What ended the connection, if it has ended. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get writable(): boolean {
    return this.#socket.writable;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  write(bytes: Uint8Array, done?: (error?: Error | null) => void): boolean {
    return this.#socket.write(bytes, done);
  }

  end(): void {
    // A peer that has gone silent would keep the socket half closed for ever.
    this.#socket.setTimeout(goodbyeMs, () => this.#socket.destroy());
    this.#socket.end();
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error);
  }

  // What `pg` calls besides; the connection is made before pg sees it.
  connect(): void {
    process.nextTick(() => this.emit('connect'));
  }
  setNoDelay(): void {}
  setKeepAlive(): void {}
  cork(): void {
    this.#socket.cork();
  }
  uncork(): void {
    this.#socket.uncork();
  }
  ref(): void {
    this.#socket.ref();
  }
  unref(): void {
    this.#socket.unref();
  }
}

/** Connects, within the target's time-out. */
function connected(socket: net.Socket, target: Target, host: Host, signal: AbortSignal): Promise<void> {
  return settled(socket, 'connect', target, host, signal, () => {
    if (host.host.startsWith('/')) socket.connect(describeHost(host));
    else socket.connect(host.port, host.address ?? host.host);
  });
}

/** Waits for one event of a socket that is being set up; any end before it is an error. */
function settled(
  socket: net.Socket,
  event: string,
  target: Target,
  host: Host,
  signal: AbortSignal,
  begin: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      socket.setTimeout(0);
      signal.removeEventListener('abort', abort);
      for (const [name, listener] of listeners) socket.off(name, listener);
      act();
    };
    const fail = (error: unknown): void => {
      finish(() => {
        // A socket that is given up may still emit an error; it has been reported here.
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    };
    const abort = (): void => fail(signal.reason);
    const listeners: [string, (error: Error) => void][] = [
      [event, () => finish(resolve)],
      ['error', fail],
      [
        'close',
        () => fail(Object.assign(new Error('connection closed during set-up'), { code: 'ECONNRESET' })),
      ],
      ['timeout', () => fail(silence(target, host))],
    ];
    for (const [name, listener] of listeners) socket.on(name, listener);
    signal.addEventListener('abort', abort, { once: true });
    socket.setTimeout(target.connectTimeoutMs);
    begin();
  });
}

function silence(patience: Patience, host: Host): HoldfastError {
  const seconds = patience.connectTimeoutMs / 1000;
  return new HoldfastError('unavailable', `${describeHost(host)} did not answer within ${seconds} s`, {
    hint: 'check host, port and firewall, or raise connect_timeout in the URL',
  });
}

/** A socket on which TLS is agreed, or undefined when the server has none. */
async function secureSocket(
  target: Target,
  host: Host,
  signal: AbortSignal,
): Promise<tls.TLSSocket | undefined> {
  const options = await tlsOptions(target, host);
  const socket = new net.Socket();
  await connected(socket, target, host, signal);
  await settled(socket, 'readable', target, host, signal, () => socket.write(sslRequest));
  const answer = socket.read() as Buffer | null;
  // More than one byte means that someone between us and the server put bytes before the handshake (CVE-2021-23222).
  if (answer?.length === 1 && answer[0] === 0x53) {
    const secure = tls.connect({ ...options, socket });
    await settled(secure, 'secureConnect', target, host, signal, () => {});
    return secure;
  }
  socket.on('error', () => {});
  socket.destroy();
  if (answer?.length === 1 && answer[0] === 0x4e) return undefined;
  throw new HoldfastError(
    'unavailable',
    `${describeHost(host)} answered the request for TLS with something else`,
    {
      hint: 'is it a PostgreSQL server?',
    },
  );
}

async function tlsOptions(target: Target, host: Host): Promise<tls.ConnectionOptions> {
  const { mode, rootCertificate, certificate, key } = target.tls;
  const options: tls.ConnectionOptions = { host: host.host, minVersion: 'TLSv1.2' };
  if (net.isIP(host.host) === 0) options.servername = host.host;
  if (rootCertificate) options.ca = await file(rootCertificate, 'sslrootcert');
  if (certificate) options.cert = await file(certificate, 'sslcert');
  if (key) options.key = await file(key, 'sslkey');
  // As libpq: `require` with a root certificate checks it as verify-ca does.
  const checked =
    mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && rootCertificate !== undefined);
  options.rejectUnauthorized = checked;
  if (mode !== 'verify-full') options.checkServerIdentity = () => undefined;
  return options;
}

async function file(path: string, parameter: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new HoldfastError('config_invalid', `${parameter} of the PostgreSQL URL cannot be read: ${path}`, {
      cause,
    });
  }
}

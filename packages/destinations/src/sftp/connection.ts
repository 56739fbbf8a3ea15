import { connect, type Socket } from 'node:net';
import ssh2, { type Client, type ConnectConfig, type SFTPWrapper } from 'ssh2';

export type Done<T> = (error: Error | null | undefined, value?: T) => void;

/** What the server's SFTP part can do beyond the protocol's third version. */
export interface Extensions {
  readonly hardlink: boolean;
  readonly posixRename: boolean;
  readonly fsync: boolean;
  readonly statvfs: boolean;
}

/** How to log in, and where. */
export type SessionConfig = ConnectConfig & { readonly host: string; readonly port: number };

/** What the library knows of a session, and does not declare. */
interface Internals {
  readonly _extensions?: Readonly<Record<string, string>>;
  readonly _maxReadLen?: number;
  readonly _maxWriteLen?: number;
}

/** What each server has to take, says the protocol's draft. */
const blockBytesMin = 32_768;
/** OpenSSH takes 256 KiB with its own header; more in a packet gains nothing. */
const blockBytesMax = 261_120;
const keepAliveMs = 15_000;

/** That the connection is gone, whatever was asked of it. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** One SSH connection with one SFTP session. Calls end when the connection does, at the latest. */
export class SftpConnection {
  readonly extensions: Extensions;
  /** Of one WRITE. */
  readonly writeBytesMax: number;
  /** Of one READ. */
  readonly readBytesMax: number;
  readonly #socket: Socket;
  readonly #sftp: SFTPWrapper;
  readonly #pending = new Set<(error: Error) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #lost: Error | undefined;

  private constructor(client: Client, sftp: SFTPWrapper, socket: Socket) {
    this.#socket = socket;
    this.#sftp = sftp;
    const { _extensions: offered = {}, _maxReadLen, _maxWriteLen } = sftp as unknown as Internals;
    this.extensions = {
      hardlink: offered['hardlink@openssh.com'] === '1',
      posixRename: offered['posix-rename@openssh.com'] === '1',
      fsync: offered['fsync@openssh.com'] === '1',
      statvfs: offered['statvfs@openssh.com'] === '2',
    };
    this.writeBytesMax = Math.min(_maxWriteLen ?? blockBytesMin, blockBytesMax);
    this.readBytesMax = Math.min(_maxReadLen ?? blockBytesMin, blockBytesMax);
    // What a message from the server sets free, such as requests that waited for room, goes to the system together too.
    socket.prependListener('data', () => {
      socket.cork();
      process.nextTick(() => socket.uncork());
    });
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(new Error('the server ended the connection')));
    client.on('close', () => this.#lose(new Error('the connection was closed')));
    // Without listeners the library throws; a session's end is told by the calls that it ends.
    sftp.on('error', (error: Error) => this.#lose(error));
    sftp.on('close', () => this.#lose(new Error('the server ended the SFTP session')));
    sftp.on('end', () => this.#lose(new Error('the server ended the SFTP session')));
  }

  /** Connects, logs in and begins a session; every error is the library's own. */
  static open(config: SessionConfig, o: { readonly onAbort: AbortSignal }): Promise<SftpConnection> {
    const client = new ssh2.Client();
    // Nagle's algorithm and the peer's delayed acknowledgements together cost nine tenths of the throughput.
    const socket = connect({ host: config.host, port: config.port, noDelay: true });
    const { promise, resolve, reject } = Promise.withResolvers<SftpConnection>();
    const fail = (error: Error): void => {
      reject(error);
      socket.destroy();
    };
    // One that nobody listens to would end the process.
    socket.on('error', () => undefined);
    const stop = (): void => fail(new ConnectionLost('given up'));
    o.onAbort.addEventListener('abort', stop, { once: true });
    let agentError: Error | undefined;
    client.on('error', (error: Error & { level?: string }) => {
      // An agent that does not answer is one way of logging in less; there may be others.
      if (error.level === 'agent') agentError = error;
      else fail(agentError && error.level === 'client-authentication' ? agentError : error);
    });
    client.on('close', () => fail(new Error('the server closed the connection before the session began')));
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => config.password ?? '')),
    );
    client.on('ready', () => {
      client.sftp((error, sftp) => {
        if (error) fail(error);
        else resolve(new SftpConnection(client, sftp, socket));
      });
    });
    try {
      client.connect({ ...config, sock: socket, keepaliveInterval: keepAliveMs, keepaliveCountMax: 3 });
    } catch (error) {
      fail(error as Error);
    }
    return promise.finally(() => o.onAbort.removeEventListener('abort', stop));
  }

  get alive(): boolean {
    return this.#lost === undefined;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  call<T>(start: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#pending.add(reject);
      const done: Done<T> = (error, value) => {
        this.#pending.delete(reject);
        // A call that the end of the connection answers tells of that end, not of itself.
        if (error && (this.#lost || !('code' in error))) reject(this.#lost ?? lostBy(error));
        else if (error) reject(error);
        else resolve(value as T);
      };
      // A request is cut into SSH packets of 32 KiB: they go to the system together.
      this.#socket.cork();
      try {
        start(this.#sftp, done);
      } catch (error) {
        this.#pending.delete(reject);
        reject(error);
      } finally {
        this.#socket.uncork();
      }
    });
  }

  destroy(): void {
    this.#lose(new Error('the connection was given up'));
  }

  #lose(error: Error): void {
    if (this.#lost) return;
    this.#lost = lostBy(error);
    for (const reject of this.#pending) reject(this.#lost);
    this.#pending.clear();
    this.#socket.destroy();
    this.#closed.resolve();
  }
}

function lostBy(error: Error): ConnectionLost {
  return new ConnectionLost(error.message, { cause: error });
}

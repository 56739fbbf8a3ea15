import { readFile } from 'node:fs/promises';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type Server, type ServerConfig } from 'ssh2';
import { SftpSession, type SftpTrouble } from './sshd-faulty-session.ts';
import { makeSshKey, type SshKey } from './sshd-keys.ts';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts';

export interface FaultySftpOptions {
  /** How the server wants the password: `keyboard` as the answer to a question, and in no other way. */
  readonly login?: 'password' | 'keyboard' | undefined;
}

/** What the server's SFTP part does wrong; may be changed at any time. */
export type { SftpTrouble } from './sshd-faulty-session.ts';

/**
 * An SFTP server that plays what OpenSSH cannot: it has no extensions, as old and small servers, and fails as it is
 * told. User `test` with password `geheim pw`. It runs in this process.
 */
export class FaultySftp implements AsyncDisposable {
  readonly user = 'test';
  readonly password = 'geheim pw';
  readonly hostKey: SshKey;
  /** What clients see as `/`. */
  readonly folder: TemporaryFolder;
  readonly trouble: SftpTrouble = {};
  /** By all clients since the start. */
  bytesWritten = 0;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #login: FaultySftpOptions['login'];

  private constructor(o: {
    hostKey: SshKey;
    key: Buffer;
    folder: TemporaryFolder;
    login: FaultySftpOptions['login'];
  }) {
    this.hostKey = o.hostKey;
    this.folder = o.folder;
    this.#login = o.login;
    const config: ServerConfig = { hostKeys: [o.key] };
    this.#server = new ssh2.Server(config, (connection) => this.#serve(connection));
  }

  static async start(options: FaultySftpOptions): Promise<FaultySftp> {
    const folder = await temporaryFolder('faulty-sftp');
    const keys = await temporaryFolder('faulty-sftp-key');
    const hostKey = await makeSshKey(keys.path, 'host');
    const key = await readFile(hostKey.file);
    await keys[Symbol.asyncDispose]();
    const server = new FaultySftp({ hostKey, key, folder, login: options.login });
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#connections.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      (this.#server as unknown as NetServer).close(() => resolve());
    });
    for (const connection of this.#connections) connection.end();
    this.trouble.drop = true;
    await closed;
    await this.folder[Symbol.asyncDispose]();
  }

  #serve(connection: Connection): void {
    this.#connections.add(connection);
    // Or each answer waits for the client's delayed acknowledgement of the one before; the library has no way to say so.
    (connection as unknown as { _sock: Socket })._sock.setNoDelay(true);
    connection.on('error', () => undefined);
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('authentication', (context) => this.#authenticate(context));
    connection.on('ready', () => {
      connection.on('session', (accept) => {
        accept().on('sftp', (acceptSftp) => {
          const parts = { counter: this, root: this.folder.path, trouble: this.trouble, connection };
          new SftpSession(acceptSftp(), parts);
        });
      });
    });
  }

  #authenticate(context: AuthContext): void {
    const known = context.username === this.user;
    if (this.#login !== 'keyboard') {
      if (known && context.method === 'password' && context.password === this.password) context.accept();
      else context.reject(['password']);
    } else if (context.method === 'keyboard-interactive') {
      context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
        if (known && answers[0] === this.password) context.accept();
        else context.reject(['keyboard-interactive']);
      });
    } else context.reject(['keyboard-interactive']);
  }
}

export async function startFaultySftp(options: FaultySftpOptions = {}): Promise<FaultySftp> {
  return FaultySftp.start(options);
}

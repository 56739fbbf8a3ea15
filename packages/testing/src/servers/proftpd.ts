import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { freePort } from './free-port.ts';
import { runProgram } from './run-program.ts';
import { type ServerAccount, serverAccount } from './server-account.ts';
import { ServerProcess } from './server-process.ts';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts';
import type { TestCertificate } from './test-certificates.ts';

export interface ProftpdOptions {
  /** Without one there is no TLS. */
  readonly certificate?: TestCertificate;
  /** Refuse who talks in the clear. */
  readonly tlsRequired?: boolean;
  /** Data connections have to continue the TLS session of their login; so it is unless said. */
  readonly sessionReuse?: boolean;
  /** Further lines of its configuration, in `<Global>`. */
  readonly settings?: readonly string[];
  /** An existing folder to be the user's home. */
  readonly home?: string;
  /** Load these as well; without `.c`. */
  readonly modules?: readonly string[];
}

const binary = '/usr/sbin/proftpd';
const readyMsMax = 10_000;
const portAttemptsMax = 5;
const passivePorts = 60;

/**
 * A private proftpd on 127.0.0.1 with one user. `await using` stops it and removes its files; sessions end when their
 * clients leave.
 */
export class Proftpd implements AsyncDisposable {
  readonly user = 'test';
  /** With signs that a URL cannot hold as they are. */
  readonly password = 'geheim pw@:/%';
  readonly port: number;
  /** TLS from the first byte. */
  readonly implicitPort: number;
  /** First and last port for data connections. */
  readonly passive: readonly [number, number];
  readonly folder: TemporaryFolder;
  /** What the user sees; below `urlRoot` in a URL. */
  readonly home: string;
  readonly #parts: ProftpdParts;
  #process: ServerProcess | undefined;

  constructor(parts: ProftpdParts) {
    this.#parts = parts;
    this.port = parts.ports[0];
    this.implicitPort = parts.ports[1];
    this.passive = [parts.ports[2], parts.ports[2] + passivePorts - 1];
    this.folder = parts.folder;
    this.home = parts.options.home ?? parts.folder.join('home');
  }

  /** A URL of a folder below the user's home, with the login in it. */
  url(scheme: 'ftp' | 'ftps', path: string, query = ''): string {
    const login = `${this.user}:${encodeURIComponent(this.password)}`;
    const port = query.includes('implicit') ? this.implicitPort : this.port;
    return `${scheme}://${login}@localhost:${port}/~/${path}${query === '' ? '' : `?${query}`}`;
  }

  async start(): Promise<void> {
    const { folder } = this;
    await writeFile(folder.join('proftpd.conf'), this.#config());
    const process = await ServerProcess.spawn({
      file: binary,
      args: ['-n', '-q', '-c', folder.join('proftpd.conf')],
      folder: folder.path,
      logFile: folder.join('output'),
    });
    this.#process = process;
    await process.untilReady(() => accepts(this.port), readyMsMax);
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM');
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.folder[Symbol.asyncDispose]();
  }

  #config(): string {
    const { account, options } = this.#parts;
    const { certificate, sessionReuse = true, settings = [], modules = [] } = options;
    const file = (name: string): string => this.folder.join(name);
    const reuse = sessionReuse ? [] : ['NoSessionReuseRequired'];
    const tls = certificate
      ? [
          'TLSEngine on',
          `TLSLog ${file('tls.log')}`,
          `TLSRSACertificateFile ${certificate.certFile}`,
          `TLSRSACertificateKeyFile ${certificate.keyFile}`,
          'TLSProtocol TLSv1.2 TLSv1.3',
          `TLSRequired ${options.tlsRequired ? 'on' : 'off'}`,
        ]
      : [];
    return `${[
      'ServerName test',
      'ServerType standalone',
      'DefaultAddress 127.0.0.1',
      'SocketBindTight on',
      'UseIPv6 off',
      'UseReverseDNS off',
      `Port ${this.port}`,
      ...(account.uid === undefined ? [] : ['User nobody', 'Group nogroup']),
      'ModulePath /usr/lib/proftpd',
      ...(certificate ? ['LoadModule mod_tls.c'] : []),
      ...modules.map((name) => `LoadModule ${name}.c`),
      `PidFile ${file('pid')}`,
      `ScoreboardFile ${file('scoreboard')}`,
      'DelayTable none',
      'WtmpLog off',
      'TransferLog none',
      '<IfModule mod_ctrls.c>',
      'ControlsEngine off',
      '</IfModule>',
      `SystemLog ${file('log')}`,
      '<Global>',
      'AuthOrder mod_auth_file.c',
      `AuthUserFile ${file('passwd')}`,
      'DelayEngine off',
      'RequireValidShell off',
      // Only root may lock users into their homes.
      ...(account.uid === undefined ? [] : ['DefaultRoot ~']),
      `PassivePorts ${this.passive.join(' ')}`,
      'AllowOverwrite on',
      'AllowStoreRestart on',
      'AllowRetrieveRestart on',
      'TimesGMT on',
      ...tls,
      ...settings,
      '</Global>',
      ...(reuse.length > 0 && certificate ? [`TLSOptions ${reuse.join(' ')}`] : []),
      ...(certificate
        ? [
            '<VirtualHost 127.0.0.1>',
            `Port ${this.implicitPort}`,
            `TLSOptions ${['UseImplicitSSL', ...reuse].join(' ')}`,
            '</VirtualHost>',
          ]
        : []),
    ].join('\n')}\n`;
  }
}

interface ProftpdParts {
  readonly folder: TemporaryFolder;
  readonly account: ServerAccount;
  readonly options: ProftpdOptions;
  /** Of logins, of logins that begin with TLS, and the first for data. */
  readonly ports: readonly [number, number, number];
}

export async function startProftpd(options: ProftpdOptions = {}): Promise<Proftpd> {
  for (let attempt = 1; ; attempt += 1) {
    const server = new Proftpd(await makeParts(options));
    try {
      await makeUser(server);
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      if (attempt === portAttemptsMax || !/address already in use|unable to bind/i.test(String(error)))
        throw error;
    }
  }
}

async function makeParts(options: ProftpdOptions): Promise<ProftpdParts> {
  const account = await serverAccount('nobody');
  const folder = await temporaryFolder('holdfast-ftp');
  // The server's user passes through it.
  await chmod(folder.path, 0o755);
  const first = await freePort();
  return { folder, account, options, ports: [first, await freePort(), await freePort()] };
}

async function makeUser(server: Proftpd): Promise<void> {
  const { uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = await serverAccount('nobody');
  await mkdir(server.home, { recursive: true });
  await chown(server.home, uid, gid);
  // Not as an argument, which every process of the machine can read.
  const input = `${server.password}\n`;
  const hash = (await runProgram('openssl', ['passwd', '-6', '-stdin'], { input })).trim();
  const file = server.folder.join('passwd');
  await writeFile(file, `${server.user}:${hash}:${uid}:${gid}:test:${server.home}:/bin/sh\n`);
  await chmod(file, 0o600);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

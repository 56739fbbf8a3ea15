import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { makeSshKey, type SshKey, type SshKeyType } from './sshd-keys.ts';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts';

export interface SshdOptions {
  /** Lines of sshd_config; the first line that sets something holds. */
  readonly settings?: readonly string[];
  /** What answers to SFTP: `internal-sftp -R` is one that may not write. */
  readonly subsystem?: string;
  readonly hostKeys?: readonly SshKeyType[];
}

const readyMsMax = 10_000;
const portAttemptsMax = 5;
const binary = '/usr/sbin/sshd';

/**
 * OpenSSH's server on 127.0.0.1, into which the user who runs the tests logs in by key. `await using` stops it and
 * removes its files; sessions end when their clients leave.
 */
export class Sshd implements AsyncDisposable {
  readonly port: number;
  /** Who logs in. */
  readonly user: string;
  /** The host's keys by their types. */
  readonly hostKeys: ReadonlyMap<SshKeyType, SshKey>;
  /** A key that the server lets in. */
  readonly userKey: SshKey;
  /** One more, of which the file is encrypted: its passphrase is `phrase`. */
  readonly lockedKey: SshKey;
  /** One that nobody knows. */
  readonly strangerKey: SshKey;
  /** With all keys of this host. */
  readonly knownHosts: string;
  readonly folder: TemporaryFolder;
  readonly #process: ServerProcess;

  constructor(parts: SshdParts & { readonly port: number; readonly process: ServerProcess }) {
    this.port = parts.port;
    this.user = userInfo().username;
    this.hostKeys = parts.hostKeys;
    this.userKey = parts.userKey;
    this.lockedKey = parts.lockedKey;
    this.strangerKey = parts.strangerKey;
    this.folder = parts.folder;
    this.knownHosts = parts.folder.join('known_hosts');
    this.#process = parts.process;
  }

  /** An empty folder on the server. */
  async newFolder(): Promise<string> {
    const path = this.folder.join('data', `place-${process.hrtime.bigint()}`);
    await mkdir(path, { recursive: true });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop('SIGTERM');
    await this.folder[Symbol.asyncDispose]();
  }
}

interface SshdParts {
  readonly folder: TemporaryFolder;
  readonly hostKeys: ReadonlyMap<SshKeyType, SshKey>;
  readonly userKey: SshKey;
  readonly lockedKey: SshKey;
  readonly strangerKey: SshKey;
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  // Where sshd leaves its privileges; it insists on the folder when it is started by root.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const parts = await makeParts(options.hostKeys ?? ['ed25519', 'ecdsa', 'rsa']);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(parts, options, await freePort());
    } catch (error) {
      if (attempt < portAttemptsMax && String(error).includes('Address already in use')) continue;
      await parts.folder[Symbol.asyncDispose]();
      throw error;
    }
  }
}

async function makeParts(types: readonly SshKeyType[]): Promise<SshdParts> {
  const folder = await temporaryFolder('sshd');
  const [userKey, lockedKey, strangerKey, ...hosts] = await Promise.all([
    makeSshKey(folder.path, 'user'),
    makeSshKey(folder.path, 'locked', { passphrase: 'phrase' }),
    makeSshKey(folder.path, 'stranger'),
    ...types.map((type) => makeSshKey(folder.path, `host-${type}`, { type })),
  ]);
  const hostKeys = new Map(types.map((type, i) => [type, hosts[i] as SshKey]));
  await writeFile(folder.join('authorized_keys'), `${userKey.line}\n${lockedKey.line}\n`);
  return { folder, userKey, lockedKey, strangerKey, hostKeys };
}

async function start(parts: SshdParts, options: SshdOptions, port: number): Promise<Sshd> {
  const { folder, hostKeys } = parts;
  const config = folder.join('sshd_config');
  await writeFile(config, `${configOf(parts, options, port).join('\n')}\n`);
  const lines = [...hostKeys.values()].map(({ line }) => `[127.0.0.1]:${port} ${line}\n`);
  await writeFile(folder.join('known_hosts'), lines.join(''));
  const server = await ServerProcess.spawn({
    file: binary,
    args: ['-D', '-e', '-f', config],
    folder: folder.path,
    logFile: folder.join('sshd.log'),
  });
  await server.untilReady(() => accepts(port), readyMsMax);
  return new Sshd({ ...parts, port, process: server });
}

function configOf({ folder, hostKeys }: SshdParts, options: SshdOptions, port: number): string[] {
  return [
    ...(options.settings ?? []),
    `ListenAddress 127.0.0.1:${port}`,
    ...[...hostKeys.values()].map(({ file }) => `HostKey ${file}`),
    'PidFile none',
    `AuthorizedKeysFile ${join(folder.path, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PermitRootLogin yes',
    'PasswordAuthentication yes',
    'KbdInteractiveAuthentication no',
    'MaxStartups 100:30:200',
    'MaxSessions 50',
    `Subsystem sftp ${options.subsystem ?? 'internal-sftp'}`,
  ];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

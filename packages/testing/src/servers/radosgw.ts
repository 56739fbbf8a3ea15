import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { radosgwConfig, radosgwStorageClasses } from './radosgw-config.ts';
import { type RadosgwKeys, radosgwRequest } from './radosgw-request.ts';
import { runProgram } from './run-program.ts';
import { serverFolder } from './server-account.ts';
import { ServerProcess } from './server-process.ts';
import type { TestCertificate } from './test-certificates.ts';

export interface RadosgwOptions {
  /** Serves https beside http, with this certificate. */
  readonly tls?: TestCertificate;
  /** 4 GiB by default. A store that is full blocks its writers; to test a full place use a quota. */
  readonly memoryBytes?: number;
}

export interface RadosgwUser extends RadosgwKeys {
  readonly uid: string;
}

interface Parts {
  readonly folder: string;
  readonly port: number;
  readonly tlsPort: number | undefined;
  readonly store: readonly ServerProcess[];
  readonly owner: RadosgwUser;
}

const readyMsMax = 60_000;

/** A private S3 server: Ceph's gateway before a store in memory. */
export class Radosgw implements AsyncDisposable {
  /** Who owns what `createBucket` makes. */
  readonly owner: RadosgwUser;
  readonly endpoint: string;
  /** Only with `tls`. */
  readonly tlsEndpoint: string | undefined;
  readonly #parts: Parts;
  #gateway: ServerProcess | undefined;
  #buckets = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.owner = parts.owner;
    this.endpoint = `http://127.0.0.1:${parts.port}`;
    this.tlsEndpoint = parts.tlsPort === undefined ? undefined : `https://127.0.0.1:${parts.tlsPort}`;
  }

  get port(): number {
    return this.#parts.port;
  }

  /** Starts the gateway; what was stored is kept by the store behind it. */
  async start(): Promise<void> {
    const { folder, port } = this.#parts;
    this.#gateway = await spawnCeph('/usr/bin/radosgw', ['-f', '-n', 'client.rgw'], folder);
    await this.#gateway.untilReady(async () => {
      if (!(await accepts(port))) return false;
      const answer = await fetch(this.endpoint).catch(() => undefined);
      return answer?.status === 200;
    }, readyMsMax);
  }

  /** Kills the gateway, as a crash would: when asked to end it may take minutes. */
  async kill(): Promise<void> {
    await this.#gateway?.stop('SIGKILL');
  }

  /** An empty bucket; its name is new. */
  async createBucket(
    o: { readonly objectLock?: boolean; readonly owner?: RadosgwUser } = {},
  ): Promise<string> {
    this.#buckets += 1;
    const bucket = `bucket-${this.#buckets}-${randomUUID().slice(0, 8)}`;
    const headers = o.objectLock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {};
    await this.request({ ...o.owner, method: 'PUT', path: `/${bucket}`, headers });
    return bucket;
  }

  /** Who may do what, in the language of IAM policies. */
  async setBucketPolicy(bucket: string, statements: readonly object[]): Promise<void> {
    const body = JSON.stringify({ Version: '2012-10-17', Statement: statements });
    await this.request({ method: 'PUT', path: `/${bucket}?policy=`, body });
  }

  async createUser(): Promise<RadosgwUser> {
    const uid = `user-${randomUUID().slice(0, 8)}`;
    const user = { uid, accessKeyId: uid, secretAccessKey: `secret-${uid}` };
    await createUser(this.#parts.folder, user);
    return user;
  }

  /** From now on each bucket of the owner holds so many bytes at most. */
  async limitBuckets(uid: string, bytes: number): Promise<void> {
    const quota = ['quota', `--uid=${uid}`, '--quota-scope=bucket'];
    await admin(this.#parts.folder, ['quota', 'set', ...quota.slice(1), `--max-size=${bytes}`]);
    await admin(this.#parts.folder, ['quota', 'enable', ...quota.slice(1)]);
  }

  /** One request as the owner, or as whoever is named. */
  request(o: {
    readonly accessKeyId?: string;
    readonly secretAccessKey?: string;
    readonly method: string;
    readonly path: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  }): Promise<string> {
    return radosgwRequest({ ...this.owner, endpoint: this.endpoint, ...o });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Promise.all(this.#parts.store.map((each) => each.stop('SIGKILL')));
    await rm(this.#parts.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Starts a private S3 server in about a second. */
export async function startRadosgw(options: RadosgwOptions = {}): Promise<Radosgw> {
  const folder = await serverFolder('holdfast-rgw', {});
  const port = await freePort();
  const tlsPort = options.tls ? await freePort() : undefined;
  const monitorPort = await freePort();
  for (const name of ['mon', 'osd', 'rgw', 'log', 'run']) await mkdir(join(folder, name));
  const { memoryBytes = 4 * 1024 ** 3 } = options;
  const { fsid, text } = radosgwConfig({ folder, port, tlsPort, monitorPort, memoryBytes });
  await writeFile(join(folder, 'ceph.conf'), text);
  if (options.tls) {
    const { keyFile, certFile } = options.tls;
    const [key, certificate] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')]);
    await writeFile(join(folder, 'server.pem'), key + certificate, { mode: 0o600 });
  }
  const store: ServerProcess[] = [];
  const owner = { uid: 'owner', accessKeyId: 'OWNERKEY', secretAccessKey: 'ownersecret' };
  const gateway = new Radosgw({ folder, port, tlsPort, store, owner });
  try {
    await startStore(folder, { fsid, monitorPort }, store);
    await createUser(folder, owner);
    await addStorageClasses(folder);
    await gateway.start();
    return gateway;
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}

async function startStore(
  folder: string,
  o: { readonly fsid: string; readonly monitorPort: number },
  started: ServerProcess[],
): Promise<void> {
  const map = join(folder, 'monmap');
  const address = `[v2:127.0.0.1:${o.monitorPort}]`;
  await ceph(folder, 'monmaptool', ['--create', '--fsid', o.fsid, '--addv', 'a', address, map]);
  await ceph(folder, 'ceph-mon', ['--mkfs', '-i', 'a', '--monmap', map]);
  started.push(await spawnCeph('/usr/bin/ceph-mon', ['-f', '-i', 'a'], folder));
  const osd = randomUUID();
  // Waits for the monitor; without one it would do so for five minutes.
  await ceph(folder, 'ceph', ['osd', 'new', osd]);
  await ceph(folder, 'ceph-osd', ['--mkfs', '-i', '0', '--osd-uuid', osd]);
  started.push(await spawnCeph('/usr/bin/ceph-osd', ['-f', '-i', '0'], folder));
}

async function addStorageClasses(folder: string): Promise<void> {
  const placement = ['--placement-id', 'default-placement', '--storage-class'];
  for (const name of radosgwStorageClasses) {
    await admin(folder, ['zonegroup', 'placement', 'add', '--rgw-zonegroup', 'default', ...placement, name]);
    const pool = ['--data-pool', 'default.rgw.buckets.data'];
    await admin(folder, ['zone', 'placement', 'add', '--rgw-zone', 'default', ...placement, name, ...pool]);
  }
}

async function createUser(folder: string, user: RadosgwUser): Promise<void> {
  const { uid, accessKeyId, secretAccessKey } = user;
  const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
  await admin(folder, ['user', 'create', `--uid=${uid}`, `--display-name=${uid}`, ...keys]);
}

function admin(folder: string, args: readonly string[]): Promise<string> {
  return ceph(folder, 'radosgw-admin', args);
}

function ceph(folder: string, program: string, args: readonly string[]): Promise<string> {
  return runProgram(`/usr/bin/${program}`, ['-c', join(folder, 'ceph.conf'), ...args], {
    folder,
    runMsMax: readyMsMax,
  });
}

function spawnCeph(file: string, args: readonly string[], folder: string): Promise<ServerProcess> {
  const logFile = join(folder, 'log', 'out');
  return ServerProcess.spawn({ file, args: ['-c', join(folder, 'ceph.conf'), ...args], folder, logFile });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

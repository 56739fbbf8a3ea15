import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { EtcdCluster } from './etcd-cluster.ts';
import { EtcdMember } from './etcd-member.ts';
import { freePort } from './free-port.ts';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts';

export interface EtcdOptions {
  readonly members?: 1 | 3;
  /** Files in PEM form, for clients' connections; members talk to one another in plain text. */
  readonly tls?: {
    readonly certFile: string;
    readonly keyFile: string;
    readonly caFile: string;
    /** Clients have to show a certificate of that authority, too: `etcdctl` shows the server's own. */
    readonly clientCertificates?: boolean;
  };
  /** Of which kind are the tokens that users get: `simple` is etcd's default, `jwt` lives so many seconds. */
  readonly tokens?: 'simple' | { readonly jwtSeconds: number };
  /** Further options of etcd itself. */
  readonly args?: readonly string[];
}

const portAttemptsMax = 5;

/** Starts a private etcd: ready within a second or three. Passwords are up to `requirePassword`. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdCluster> {
  for (let attempt = 1; ; attempt += 1) {
    const folder = await temporaryFolder('etcd');
    const cluster = new EtcdCluster({
      folder,
      members: await membersIn(folder, options),
      caFile: options.tls?.caFile,
      clientArgs: options.tls?.clientCertificates
        ? ['--cert', options.tls.certFile, '--key', options.tls.keyFile]
        : [],
    });
    try {
      await Promise.all(cluster.members.map((member) => member.spawn()));
      await Promise.all(cluster.members.map((member) => member.ready()));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      if (!String(error).includes('address already in use') || attempt === portAttemptsMax) throw error;
    }
  }
}

interface Ports {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  readonly health: number;
}

async function membersIn(folder: TemporaryFolder, options: EtcdOptions): Promise<EtcdMember[]> {
  const scheme = options.tls ? 'https' : 'http';
  const shared = [...tlsArguments(options), ...(await tokenArguments(folder, options))];
  const ports: Ports[] = [];
  for (let i = 1; i <= (options.members ?? 1); i += 1) {
    ports.push({
      name: `m${i}`,
      client: await freePort(),
      peer: await freePort(),
      health: await freePort(),
    });
  }
  const cluster = ports.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(',');
  return Promise.all(
    ports.map(async (own) => {
      const client = `${scheme}://127.0.0.1:${own.client}`;
      const peer = `http://127.0.0.1:${own.peer}`;
      const home = folder.join(own.name);
      await mkdir(home);
      const where = ['--name', own.name, '--data-dir', `${home}/data`, '--initial-cluster', cluster];
      const listen = ['--listen-client-urls', client, '--advertise-client-urls', client];
      const peers = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
      const health = ['--listen-metrics-urls', `http://127.0.0.1:${own.health}`];
      // Elections without needless ones; a test's data need not survive the machine.
      const quick = ['--pre-vote', '--unsafe-no-fsync', '--logger', 'zap'];
      return new EtcdMember({
        name: own.name,
        port: own.client,
        scheme,
        healthPort: own.health,
        // The whole: it is what is removed when this process ends before its servers.
        folder: folder.path,
        logFile: folder.join(`${own.name}.log`),
        args: [...where, ...listen, ...peers, ...health, ...quick, ...shared, ...(options.args ?? [])],
      });
    }),
  );
}

function tlsArguments({ tls }: EtcdOptions): string[] {
  if (!tls) return [];
  const own = ['--cert-file', tls.certFile, '--key-file', tls.keyFile];
  const theirs = tls.clientCertificates ? ['--client-cert-auth', '--trusted-ca-file', tls.caFile] : [];
  return [...own, ...theirs];
}

async function tokenArguments(folder: TemporaryFolder, { tokens }: EtcdOptions): Promise<string[]> {
  if (tokens === undefined || tokens === 'simple') return [];
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  });
  const [pub, priv] = [folder.join('jwt.pub'), folder.join('jwt.key')];
  await Promise.all([writeFile(pub, publicKey), writeFile(priv, privateKey, { mode: 0o600 })]);
  return ['--auth-token', `jwt,pub-key=${pub},priv-key=${priv},sign-method=ES256,ttl=${tokens.jwtSeconds}s`];
}

import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import {
  startAzurite,
  startProftpd,
  startRadosgw,
  startSshd,
  TcpProxy,
  testCertificates,
} from '@holdfast/testing';
import { runCommand } from '../harness/command.ts';
import { RequestCounter } from '../harness/request-counter.ts';

export const placeNames = ['s3', 'sftp', 'ftps', 'ftp', 'azure'] as const;
export type PlaceName = (typeof placeNames)[number];

export interface PlaceOptions {
  /** Disposes the server, and removes what it holds. */
  readonly stack: AsyncDisposableStack;
  /** How much its server has to hold. */
  readonly bytes: number;
  /** How much longer a round trip to it takes; not for FTP, which has many ports. */
  readonly roundTripMs?: number;
}

/** An empty place on a server of its own. */
export interface BenchPlace {
  /** As a user of Holdfast writes it. */
  readonly url: string;
  /** A section of rclone's configuration. */
  readonly rclone: readonly string[];
  /** The same place, behind the section's name and a colon. */
  readonly rclonePath: string;
  /** Of the server itself, without what delays it. */
  readonly port: number;
}

/** Each time a fresh server: none has to clean up behind an earlier round while it is measured. */
export const openPlace: Readonly<Record<PlaceName, (o: PlaceOptions) => Promise<BenchPlace>>> = {
  s3: openS3,
  sftp: openSftp,
  ftps: (o) => openFtp('ftps', o),
  ftp: (o) => openFtp('ftp', o),
  azure: openAzure,
};

const mebibyte = 1_048_576;

function query(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString();
}

async function portOf(port: number, { stack, roundTripMs = 0 }: PlaceOptions): Promise<number> {
  if (roundTripMs === 0) return port;
  const proxy = stack.use(await TcpProxy.open(port));
  proxy.delayMs = roundTripMs / 2;
  return proxy.port;
}

async function openS3(o: PlaceOptions): Promise<BenchPlace> {
  const server = o.stack.use(await startRadosgw({ memoryBytes: Math.max(4 * 1024 * mebibyte, 2 * o.bytes) }));
  const bucket = await server.createBucket();
  const port = await portOf(server.port, o);
  return { ...s3At(server.owner, bucket, port), port: server.port };
}

function s3At(
  { accessKeyId, secretAccessKey }: { readonly accessKeyId: string; readonly secretAccessKey: string },
  bucket: string,
  port: number,
): Omit<BenchPlace, 'port'> {
  const endpoint = `http://127.0.0.1:${port}`;
  const fields = { endpoint, pathStyle: 'true', region: 'us-east-1', accessKeyId, secretAccessKey };
  return {
    url: `s3://${bucket}/backups?${query(fields)}`,
    rclone: [
      'type = s3',
      'provider = Ceph',
      `access_key_id = ${accessKeyId}`,
      `secret_access_key = ${secretAccessKey}`,
      `endpoint = ${endpoint}`,
      'force_path_style = true',
    ],
    rclonePath: `${bucket}/backups`,
  };
}

/** S3 behind something that counts its requests. */
export async function openCountedS3(
  o: PlaceOptions,
): Promise<{ readonly url: string; readonly counter: RequestCounter }> {
  const server = o.stack.use(await startRadosgw());
  const counter = o.stack.use(await RequestCounter.open(server.port));
  const bucket = await server.createBucket();
  return { url: s3At(server.owner, bucket, counter.port).url, counter };
}

async function openSftp(o: PlaceOptions): Promise<BenchPlace> {
  const server = o.stack.use(await startSshd());
  const folder = await server.newFolder();
  const port = await portOf(server.port, o);
  const keys = [...server.hostKeys.values()];
  // rclone asks for one kind of key, and knows the host only when all of them are written down.
  const knownHosts = server.folder.join('bench_known_hosts');
  const lines = keys.map(({ line }) => `[127.0.0.1]:${port} ${line}\n`);
  await writeFile(knownHosts, lines.join(''));
  const hostKey = keys.map(({ fingerprint }) => fingerprint).join(',');
  return {
    url: `sftp://${server.user}@127.0.0.1:${port}${folder}/backups?${query({ hostKey, privateKey: server.userKey.file })}`,
    rclone: [
      'type = sftp',
      'host = 127.0.0.1',
      `port = ${port}`,
      `user = ${server.user}`,
      `key_file = ${server.userKey.file}`,
      `known_hosts_file = ${knownHosts}`,
      'shell_type = none',
    ],
    rclonePath: `${folder}/backups`,
    port: server.port,
  };
}

async function openFtp(scheme: 'ftp' | 'ftps', { stack }: PlaceOptions): Promise<BenchPlace> {
  const certificates = stack.use(await testCertificates());
  // rclone does not continue the session of its login on several data connections at once.
  const server = stack.use(await startProftpd({ certificate: certificates.good, sessionReuse: false }));
  const fields = scheme === 'ftps' ? { caFile: certificates.caFile } : { allowPlaintext: 'true' };
  const password = await runCommand('rclone', ['obscure', '-'], { input: [server.password] });
  return {
    url: server.url(scheme, 'backups', query(fields as Record<string, string>)),
    rclone: [
      'type = ftp',
      'host = localhost',
      `port = ${server.port}`,
      `user = ${server.user}`,
      `pass = ${password.trim()}`,
      ...(scheme === 'ftps' ? ['explicit_tls = true', 'no_check_certificate = true'] : []),
    ],
    rclonePath: 'backups',
    port: server.port,
  };
}

async function openAzure(o: PlaceOptions): Promise<BenchPlace> {
  const memoryMaxMiB = Math.max(1024, Math.ceil((1.5 * o.bytes) / mebibyte));
  const server = o.stack.use(await startAzurite({ memoryMaxMiB }));
  const container = await server.createContainer();
  const { account, accountKey } = server;
  const endpoint = server.endpointAt(await portOf(server.port, o));
  return {
    url: `azure://${container}/backups?${query({ account, accountKey, endpoint })}`,
    // The only way to tell it an endpoint that is not below Microsoft's domain.
    rclone: [
      'type = azureblob',
      `sas_url = ${endpoint}/${container}?${sasOf({ account, accountKey, container })}`,
    ],
    rclonePath: `${container}/backups`,
    port: server.port,
  };
}

/** A shared access signature of a container, for all that can be done in it. */
function sasOf(o: {
  readonly account: string;
  readonly accountKey: string;
  readonly container: string;
}): string {
  const [permissions, expires, version] = ['racwdl', '2099-01-01T00:00:00Z', '2018-11-09'];
  const resource = `/blob/${o.account}/${o.container}`;
  // Permissions, start, expiry, resource, identifier, address, protocol, version, kind, snapshot, five headers.
  const signed = [permissions, '', expires, resource, '', '', '', version, 'c', '', '', '', '', '', ''].join(
    '\n',
  );
  const sig = createHmac('sha256', Buffer.from(o.accountKey, 'base64')).update(signed).digest('base64');
  return query({ sp: permissions, se: expires, sv: version, sr: 'c', sig });
}

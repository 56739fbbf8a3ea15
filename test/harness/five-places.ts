import {
  type AzuriteServer,
  type Proftpd,
  type Radosgw,
  type Sshd,
  startAzurite,
  startProftpd,
  startRadosgw,
  startSshd,
  TcpProxy,
  type TemporaryFolder,
  testCertificates,
} from '@holdfast/testing';

export const placeNames = ['folder', 's3', 'azure', 'sftp', 'ftps'] as const;
export type PlaceName = (typeof placeNames)[number];

/** One place of each kind, each an empty one on a server of its own; the way to three of them can be cut. */
export interface FivePlaces extends AsyncDisposable {
  /** As a user writes them; by the proxies where there is one. */
  readonly urls: Readonly<Record<PlaceName, string>>;
  readonly proxies: Readonly<Record<'s3' | 'azure' | 'sftp', TcpProxy>>;
  readonly s3: Radosgw;
  readonly azure: AzuriteServer;
  readonly sftp: Sshd;
  readonly ftps: Proftpd;
  readonly bucket: string;
  readonly container: string;
  /** Folders on this machine in which the servers keep what they get. */
  readonly sftpFolder: string;
  readonly ftpsFolder: string;
}

export async function openFivePlaces(folder: TemporaryFolder): Promise<FivePlaces> {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const [s3, azure, sftp, ftps] = await Promise.all([
    startRadosgw().then((one) => stack.use(one)),
    startAzurite({ memoryMaxMiB: 1024 }).then((one) => stack.use(one)),
    startSshd().then((one) => stack.use(one)),
    startProftpd({ certificate: certificates.good, sessionReuse: false }).then((one) => stack.use(one)),
  ]);
  const proxies = {
    s3: stack.use(await TcpProxy.open(s3.port)),
    azure: stack.use(await TcpProxy.open(azure.port)),
    sftp: stack.use(await TcpProxy.open(sftp.port)),
  };
  const bucket = await s3.createBucket();
  const container = await azure.createContainer();
  const sftpFolder = await sftp.newFolder();
  const { accessKeyId, secretAccessKey } = s3.owner;
  const query = (fields: Record<string, string>): string => new URLSearchParams(fields).toString();
  const fingerprint = [...sftp.hostKeys.values()].map(({ fingerprint: one }) => one).join(',');
  const urls = {
    folder: `file:${folder.join('near')}`,
    s3: `s3://${bucket}/prod?${query({ endpoint: `http://127.0.0.1:${proxies.s3.port}`, pathStyle: 'true', region: 'us-east-1', accessKeyId, secretAccessKey })}`,
    azure: `azure://${container}/prod?${query({ account: azure.account, endpoint: azure.endpointAt(proxies.azure.port), accountKey: azure.accountKey })}`,
    sftp: `sftp://${sftp.user}@127.0.0.1:${proxies.sftp.port}${sftpFolder}?${query({ hostKey: fingerprint, privateKey: sftp.userKey.file })}`,
    ftps: ftps.url('ftps', 'prod', query({ caFile: certificates.caFile })),
  };
  const kept = stack.move();
  return {
    urls,
    proxies,
    s3,
    azure,
    sftp,
    ftps,
    bucket,
    container,
    sftpFolder,
    ftpsFolder: ftps.home,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

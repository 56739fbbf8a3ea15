import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface TestCertificate {
  /** PEM. */
  readonly certFile: string;
  /** PEM, for its owner alone to read. */
  readonly keyFile: string;
}

/** Certificates for servers and clients of tests, all of localhost and 127.0.0.1 unless said. */
export interface TestCertificates extends AsyncDisposable {
  /** Of the authority that signed `good`, `expired` and `wrongName`. */
  readonly caFile: string;
  readonly good: TestCertificate;
  readonly expired: TestCertificate;
  /** For another.example only. */
  readonly wrongName: TestCertificate;
  /** Signed by an authority that nobody knows. */
  readonly untrusted: TestCertificate;
}

const ownNames = 'DNS:localhost,IP:127.0.0.1';

/** Makes an authority and certificates in a folder of their own; disposing removes it. Needs openssl. */
export async function testCertificates(): Promise<TestCertificates> {
  const folder = await temporaryFolder('certificates');
  try {
    const ca = await authority(folder.join('ca'), 'Test authority');
    const other = await authority(folder.join('other'), 'Another authority');
    return {
      caFile: ca.certFile,
      good: await signed(ca, folder.join('good'), { names: ownNames }),
      expired: await signed(ca, folder.join('expired'), { names: ownNames, expired: true }),
      wrongName: await signed(ca, folder.join('wrong-name'), { names: 'DNS:another.example' }),
      untrusted: await signed(other, folder.join('untrusted'), { names: ownNames }),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

async function authority(folder: string, name: string): Promise<TestCertificate> {
  const files = await filesIn(folder);
  await openssl(
    'req',
    '-x509',
    ...newKey(files),
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-out',
    files.certFile,
  );
  return files;
}

async function signed(
  by: TestCertificate,
  folder: string,
  o: { readonly names: string; readonly expired?: boolean },
): Promise<TestCertificate> {
  const files = await filesIn(folder);
  const request = join(folder, 'request.pem');
  await openssl(
    'req',
    ...newKey(files),
    '-subj',
    `/CN=${o.names.replace(/^DNS:([^,]+).*/, '$1')}`,
    '-out',
    request,
  );
  // `ca`, unlike `x509`, takes dates in the past also in the versions that are still widespread; it wants its books.
  const config = join(folder, 'ca.cnf');
  await writeFile(join(folder, 'index.txt'), '');
  await writeFile(config, configOf(folder, o.names));
  const dates = o.expired ? ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'] : ['-days', '2'];
  const signer = ['-cert', by.certFile, '-keyfile', by.keyFile, '-create_serial'];
  const out = ['-in', request, '-out', files.certFile];
  await openssl('ca', '-batch', '-notext', '-config', config, ...signer, ...dates, ...out);
  return files;
}

function configOf(folder: string, names: string): string {
  return `[ca]
default_ca = own
[own]
database = ${folder}/index.txt
new_certs_dir = ${folder}
serial = ${folder}/serial
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = ${names}
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth,clientAuth
`;
}

/** RSA: every server takes it, in the setting that servers have for keys. */
function newKey({ keyFile }: TestCertificate): string[] {
  return ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile];
}

async function filesIn(folder: string): Promise<TestCertificate> {
  await mkdir(folder);
  return { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
}

async function openssl(...args: string[]): Promise<void> {
  await runProgram('openssl', args);
}

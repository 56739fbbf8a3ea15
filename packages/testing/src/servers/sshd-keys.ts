import { createHash } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.ts';

export type SshKeyType = 'ed25519' | 'ecdsa' | 'rsa';

/** A key pair in two files, as ssh-keygen makes it. */
export interface SshKey {
  /** Of the private key; the public one has `.pub` behind it. */
  readonly file: string;
  /** `ssh-ed25519 AAAA…` */
  readonly line: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

export async function makeSshKey(
  folder: string,
  name: string,
  o: { readonly type?: SshKeyType; readonly passphrase?: string } = {},
): Promise<SshKey> {
  const file = join(folder, name);
  const type = o.type ?? 'ed25519';
  const bits = type === 'rsa' ? ['-b', '2048'] : [];
  await runProgram('ssh-keygen', [
    '-q',
    '-t',
    type,
    ...bits,
    '-N',
    o.passphrase ?? '',
    '-C',
    name,
    '-f',
    file,
  ]);
  await chmod(file, 0o600);
  const [kind = '', encoded = ''] = (await readFile(`${file}.pub`, 'utf8')).split(' ');
  const hash = createHash('sha256').update(Buffer.from(encoded, 'base64')).digest('base64');
  return { file, line: `${kind} ${encoded}`, fingerprint: `SHA256:${hash.replace(/=+$/, '')}` };
}

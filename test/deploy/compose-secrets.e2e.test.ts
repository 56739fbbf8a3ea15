import { X509Certificate } from 'node:crypto';
import { cp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { runProgram } from '../../packages/testing/src/servers/run-program.ts';
import { readDeployed, root } from './product.ts';

it('make-secrets.sh makes every secret of the sample once, and certificates for all of its servers', async () => {
  await using folder = await temporaryFolder('compose');
  const script = folder.join('make-secrets.sh');
  await cp(join(root, 'deploy', 'compose', 'make-secrets.sh'), script);
  await runProgram(script, []);
  const { secrets, services } = parse(await readDeployed('compose', 'compose.yaml'), { merge: true }) as {
    secrets: Record<string, { file: string }>;
    services: Record<string, unknown>;
  };
  const read = async (): Promise<string[]> =>
    Promise.all(Object.values(secrets).map(({ file }) => readFile(folder.join(file), 'utf8')));
  const made = await read();
  expect(made.every((text) => text.length > 32)).toBe(true);
  expect((await stat(folder.join('secrets'))).mode & 0o777).toBe(0o700);

  const ca = new X509Certificate(await readFile(folder.join('secrets/ca.crt')));
  const certificate = new X509Certificate(await readFile(folder.join('secrets/tls.crt')));
  expect(certificate.verify(ca.publicKey)).toBe(true);
  for (const name of Object.keys(services).filter((each) => each === 'etcd' || each.startsWith('node-')))
    expect(certificate.checkHost(name), name).toBe(name);

  await runProgram(script, []);
  expect(await read()).toEqual(made);
});

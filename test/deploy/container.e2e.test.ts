import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { freePort, temporaryFolder, testCertificates } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { until } from '../harness/processes.ts';
import { Image } from './image.ts';
import { root } from './product.ts';

const healthcheck = join(root, 'deploy', 'container', 'healthcheck.mjs');

/** The exit code of the check of the container's health. */
async function checkHealth(server: string, script = healthcheck): Promise<number | null> {
  const env = { ...process.env, HOLDFAST_SERVER: server };
  const [code] = await once(spawn(process.execPath, [script], { env, stdio: 'ignore' }), 'close');
  return code as number | null;
}

async function listening(server: Server): Promise<AsyncDisposable & { readonly port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.close();
    await once(server, 'close');
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

const answering =
  (status: number): RequestListener =>
  ({ url }, answer) =>
    answer.writeHead(url === '/health' ? status : 404).end();

describe('the check of the container', () => {
  it.each([
    [200, 0],
    [503, 1],
  ])('takes the status %i for %i', async (status, code) => {
    await using server = await listening(createHttp(answering(status)));
    expect(await checkHealth(`http://127.0.0.1:${server.port}`)).toBe(code);
  });

  it('asks over TLS, whoever signed the certificate', async () => {
    await using certificates = await testCertificates();
    const { certFile, keyFile } = certificates.untrusted;
    const tls = { cert: await readFile(certFile), key: await readFile(keyFile) };
    await using server = await listening(createHttps(tls, answering(200)));
    expect(await checkHealth(`https://localhost:${server.port}`)).toBe(0);
  });

  it('fails where nothing listens', async () => {
    expect(await checkHealth(`http://127.0.0.1:${await freePort()}`)).toBe(1);
  });
});

describe('the image', () => {
  it('has all that a node needs: it starts from the files and packages of the image alone', async () => {
    await using folder = await temporaryFolder('image');
    const image = await Image.read();
    const installed = folder.join('opt');
    await image.unpack(installed);
    const config = folder.join('holdfast.yaml');
    await writeFile(config, `state: ${folder.join('state')}\nlisten: { address: "127.0.0.1:0" }\n`);
    const launcher = join(installed, 'packages', 'cli', 'bin', 'holdfast.mjs');
    const env = {
      ...process.env,
      ...image.environment,
      HOME: folder.path,
      XDG_CACHE_HOME: folder.join('cache'),
    };
    const node = spawn(process.execPath, [launcher, ...image.words('CMD'), '--config', config], {
      env: { ...env, PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(node, 'close');
    try {
      let said = '';
      for (const stream of [node.stdout, node.stderr]) stream.on('data', (text) => (said += text));
      const url = (): string | undefined => /"url":"([^"]+)"/.exec(said)?.[1];
      await until('the node listens', () => {
        if (node.exitCode !== null) throw new Error(`the node ended with ${node.exitCode}: ${said}`);
        return url() !== undefined;
      });
      expect(await checkHealth(url() ?? '', join(installed, 'healthcheck.mjs'))).toBe(0);
    } finally {
      node.kill('SIGTERM');
      await ended;
    }
    expect(node.exitCode).toBe(0);
  });
});

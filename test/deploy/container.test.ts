import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultConfigFile, loadNodeConfig } from '../../packages/service/src/config/node-config.ts';
import { Image } from './image.ts';
import { apiPort, callOf, readDeployed, root } from './product.ts';

const image = await Image.read();
const files = await image.files();

describe('the image', () => {
  it('is built from files that are there, and sent', () => {
    for (const source of image.sources)
      expect(
        files.some((path) => path === source || path.startsWith(`${source}/`)),
        source,
      ).toBe(true);
    expect(image.isSent('packages/core/src/errors.ts')).toBe(true);
    for (const path of ['README.md', 'node_modules/zod/package.json', 'packages/core/src/errors.test.ts'])
      expect(image.isSent(path), path).toBe(false);
  });

  it('has every file that the product imports', async () => {
    const code = files.filter((path) => /\.(ts|mjs)$/.test(path));
    const known = new Set(files);
    for (const path of code) {
      const text = await readFile(join(root, path), 'utf8');
      for (const [, to = ''] of text.matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)'/g))
        expect(known.has(posix.join(posix.dirname(path), to)), `${path}: ${to}`).toBe(true);
    }
    expect(code.length).toBeGreaterThan(100);
  });

  it('has a package.json of every workspace, without which npm refuses the lock', async () => {
    const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
    const workspaces = Object.keys(lock.packages).filter((path) => path.startsWith('packages/'));
    for (const path of workspaces) expect(files).toContain(`${path}/package.json`);
  });

  it('has the library that Node is linked with and Debian does not always have', async () => {
    const node = await readFile(join(root, 'node_modules', '.bin', 'node'));
    expect(node.includes('libatomic.so.1')).toBe(true);
    expect(image.text).toMatch(/apt-get install .*\blibatomic1\b/);
  });

  it('keeps everything that is written on its one volume', async () => {
    const [volume] = image.words('VOLUME');
    const facts = { env: image.environment, cores: 2, homedir: '/', hostname: 'c0ffee', isRoot: false };
    expect(defaultConfigFile(facts)).toBe('/etc/holdfast/holdfast.yaml');
    const { state, staging, listen } = await loadNodeConfig(undefined, {
      ...facts,
      env: { ...image.environment, XDG_CONFIG_HOME: '/nowhere' },
    });
    expect(state).toBe(volume);
    expect(staging.startsWith(`${volume}/`)).toBe(true);
    expect(image.environment.XDG_CACHE_HOME?.startsWith(`${volume}/`)).toBe(true);
    expect(listen.address.endsWith(`:${apiPort}`)).toBe(true);
    expect(image.words('EXPOSE')).toEqual([String(apiPort)]);
  });

  it('starts a node as nobody in particular, below a process that reaps', () => {
    const [first, , command] = image.words('ENTRYPOINT');
    expect([first, command]).toEqual(['tini', 'holdfast']);
    expect(image.text).toMatch(/apt-get install .*\btini\b/);
    expect(callOf(image.words('CMD')).spec.name).toBe('start');
    const [user = ''] = image.words('USER');
    expect(user).toMatch(/^[1-9]\d+:[1-9]\d+$/);
    const [uid, gid] = user.split(':');
    expect(image.text).toContain(`install -d -o ${uid} -g ${gid} -m 0700 ${image.words('VOLUME')[0]}`);
  });

  it('has the user that manifests and volumes are made for', async () => {
    const [user = ''] = image.words('USER');
    const [uid] = user.split(':');
    expect(await readDeployed('kubernetes', 'nodes.yaml')).toContain(`runAsUser: ${uid}`);
    expect(await readDeployed('compose', 'compose.yaml')).toContain(`[chown, "${user}", /backups]`);
  });
});

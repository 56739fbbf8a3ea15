import { mkdir, stat, writeFile } from 'node:fs/promises';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinCluster, readIdentity } from './identity.ts';

let folder: TemporaryFolder;
let state: string;
let file: string;

beforeEach(async () => {
  folder = await temporaryFolder('holdfast-identity');
  state = folder.join('state');
  file = folder.join('state', 'identity.json');
  await mkdir(state);
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

const store = 'etcd http://etcd-1:2379';

describe('who a node is', () => {
  it('is made at its first start, and stays the same', async () => {
    const first = await readIdentity(state);
    expect(first.instance).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.cluster).toBeUndefined();
    expect(await readIdentity(state)).toEqual(first);
  });

  it('differs from that of every other state folder', async () => {
    await mkdir(folder.join('other'));
    const [one, other] = [await readIdentity(state), await readIdentity(folder.join('other'))];
    expect(other.instance).not.toBe(one.instance);
  });

  it.each(['', '{"insta', 'null', '{}', '{"instance": 7}'])(
    'is made anew where a crash has left %j of it',
    async (text) => {
      await writeFile(file, text);
      const made = await readIdentity(state);
      expect(made.instance).toMatch(/^[0-9a-f-]{36}$/);
      expect(await readIdentity(state)).toEqual(made);
    },
  );

  it('is not made anew where the file is there and cannot be read', async () => {
    await mkdir(file);
    await expect(readIdentity(state)).rejects.toMatchObject({
      code: 'permission_denied',
      reason: `${file} cannot be read: EISDIR`,
      hint: expect.stringContaining('readable'),
    });
  });

  it('is an error with the next step where it cannot be written', async () => {
    await expect(readIdentity(folder.join('gone'))).rejects.toMatchObject({
      code: 'permission_denied',
      reason: `the state folder ${folder.join('gone')} cannot be written: ENOENT`,
      hint: expect.stringContaining('`state` in holdfast.yaml'),
    });
  });
});

describe('the cluster that a node belongs to', () => {
  it('is remembered with the first store that it joins', async () => {
    const identity = await readIdentity(state);
    await joinCluster(state, identity, { cluster: 'one', store });
    const joined = await readIdentity(state);
    expect(joined).toEqual({ ...identity, cluster: 'one' });
    await joinCluster(state, joined, { cluster: 'one', store });
    expect(await readIdentity(state)).toEqual(joined);
  });

  it('is not written again at each start', async () => {
    await joinCluster(state, await readIdentity(state), { cluster: 'one', store });
    const { ino } = await stat(file);
    await joinCluster(state, await readIdentity(state), { cluster: 'one', store });
    expect((await stat(file)).ino).toBe(ino);
  });

  it('is not left for another one: both are named, the store, and what to do', async () => {
    await joinCluster(state, await readIdentity(state), { cluster: 'one', store });
    const joined = await readIdentity(state);
    await expect(joinCluster(state, joined, { cluster: 'two', store })).rejects.toMatchObject({
      code: 'precondition_failed',
      reason: `the store (${store}) is of cluster two, and this node belongs to cluster one`,
      hint: expect.stringContaining(`delete ${file}`),
    });
    expect(await readIdentity(state)).toEqual(joined);
  });
});

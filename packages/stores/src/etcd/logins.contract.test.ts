import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterStore, HoldfastError, type Revision, Secret, SystemClock } from '@holdfast/core';
import { type EtcdCluster, startEtcd } from '@holdfast/testing';
import { test } from 'vitest';
import { openEtcdStore } from './index.ts';

const { signal } = new AbortController();

function open(etcd: EtcdCluster): Promise<ClusterStore> {
  const login = { user: 'holdfast', password: new Secret('right') };
  return openEtcdStore({ endpoints: etcd.urls, clock: new SystemClock(), ...login }, { signal });
}

async function requirePasswords(etcd: EtcdCluster): Promise<void> {
  await etcd.requirePassword('root’s');
  await etcd.addUser('holdfast', 'right', '/holdfast/');
}

/** Follows a watch; `seen` is what it has seen, `ended` resolves with what it rejected with. */
function follow(store: ClusterStore, since: Revision) {
  const stop = new AbortController();
  const seen: (string | undefined)[] = [];
  const run = async (): Promise<void> => {
    for await (const { puts } of store.watch('', { signal: stop.signal, since })) seen.push(puts[0]?.value);
  };
  const ended = run().then(() => undefined, HoldfastError.from);
  return { seen, ended, stop: () => stop.abort() };
}

const put = (store: ClusterStore, value: string) =>
  store.transact({ puts: [{ key: 'k', value }] }, { signal });

test.concurrent('tokens that members have forgotten are got anew: calls, watches and sessions go on', async ({
  expect,
}) => {
  await using etcd = await startEtcd({ members: 3 });
  await requirePasswords(etcd);
  await using store = await open(etcd);
  const watch = follow(store, await put(store, 'first'));
  const session = await store.openSession({ signal, ttlMs: 15_000 });
  await store.transact({ puts: [{ key: 'alive', value: 'alive', session }] }, { signal });
  const expected = ['alive'];
  for (const member of etcd.members) {
    await member.kill();
    await member.restart();
    for (let i = 0; i < 3; i += 1) {
      const value = `${member.name} ${i}`;
      // The connection that has just died may have taken one with it.
      await put(store, value).catch(() => put(store, value));
      expected.push(value);
    }
  }
  // With the first one dead the second is in use, and so on: all of them have been.
  await expect.poll(() => [...new Set(watch.seen)]).toEqual(expected);
  expect(session.signal.aborted).toBe(false);
  watch.stop();
  await watch.ended;
});

test.concurrent('tokens that expire, or that a change of users has made old, are got anew', async ({
  expect,
}) => {
  await using etcd = await startEtcd({ tokens: { jwtSeconds: 2 } });
  await requirePasswords(etcd);
  await using store = await open(etcd);
  const since = await put(store, 'first');
  for (let i = 0; i < 2; i += 1) {
    await sleep(2_300);
    await put(store, `${i}`);
  }
  await sleep(2_300);
  // Of a watch with an old token etcd says only that it is over.
  const watch = follow(store, since);
  await expect.poll(() => watch.seen).toEqual(['0', '1']);
  for (const name of ['a', 'b']) {
    await etcd.addUser(name, 'x', `/${name}/`);
    await put(store, name);
  }
  await expect.poll(() => watch.seen).toEqual(['0', '1', 'a', 'b']);
  watch.stop();
  await watch.ended;
});

test.concurrent('a user whose rights or password are taken away is told by whatever he does next, watching too', async ({
  expect,
}) => {
  await using etcd = await startEtcd();
  await requirePasswords(etcd);
  await using store = await open(etcd);
  const since = await put(store, 'first');
  const watch = follow(store, since);
  await put(store, 'seen');
  await expect.poll(() => watch.seen).toEqual(['seen']);
  await etcd.ctl('user', 'revoke-role', 'holdfast', 'holdfast');
  await expect(put(store, 'late')).rejects.toMatchObject({ code: 'permission_denied' });
  // etcd looks at the rights of a watch at its beginning only.
  const late = follow(store, since);
  expect(await late.ended).toMatchObject({ code: 'permission_denied' });
  await etcd.ctl('user', 'grant-role', 'holdfast', 'holdfast');
  await put(store, 'again');
  await expect.poll(() => watch.seen).toEqual(['seen', 'again']);
  await etcd.ctl('user', 'delete', 'holdfast');
  await etcd.members[0]?.kill();
  await etcd.members[0]?.restart();
  expect(await watch.ended).toMatchObject({ code: 'unauthenticated' });
  await expect(store.get('k', { signal })).rejects.toMatchObject({ code: 'unauthenticated' });
});

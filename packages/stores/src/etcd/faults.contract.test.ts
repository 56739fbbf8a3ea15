import { setTimeout as sleep } from 'node:timers/promises';
import { type Change, type ClusterStore, HoldfastError, type Revision, SystemClock } from '@holdfast/core';
import { type EtcdCluster, type EtcdMember, startEtcd, TcpProxy } from '@holdfast/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type EtcdStoreOptions, openEtcdStore } from './index.ts';

const { signal } = new AbortController();
const clock = new SystemClock();

let etcd: EtcdCluster;
beforeAll(async () => {
  etcd = await startEtcd({ members: 3 });
});
afterEach(heal);
afterAll(() => etcd[Symbol.asyncDispose]());

function open(o: Partial<EtcdStoreOptions> & Pick<EtcdStoreOptions, 'prefix'>): Promise<ClusterStore> {
  return openEtcdStore({ endpoints: etcd.urls, clock, callMaxMs: 3_000, ...o }, { signal });
}

/** The URLs, with that member's as the first: the one that is used. */
function first(member: EtcdMember): string[] {
  return [member.url, ...etcd.urls.filter((url) => url !== member.url)];
}

/** All members run and agree, whatever was done to them. */
async function heal(): Promise<void> {
  for (const member of etcd.members) {
    if (member.isRunning) member.thaw();
    else await member.spawn();
  }
  await Promise.all(etcd.members.map((member) => member.ready()));
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let step = 0; step < 2_000; step += 1) {
    if (await isSo()) return;
    await sleep(25);
  }
  throw new Error(`it never happened that ${what}`);
}

/** Puts entries of increasing numbers until it is stopped; what could not be confirmed is looked up. */
class Writer {
  readonly revisions: Revision[] = [];
  unconfirmed = 0;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(store: ClusterStore) {
    this.#done = this.#run(store);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(store: ClusterStore): Promise<void> {
    for (let number = 0; !this.#stop.signal.aborted; ) {
      const key = `w/${String(number).padStart(6, '0')}`;
      try {
        const checks = [{ key, revision: 'absent' as const }];
        this.revisions.push(await store.transact({ checks, puts: [{ key, value: 'x' }] }, { signal }));
        number += 1;
      } catch (error) {
        const { code } = HoldfastError.from(error);
        if (code === 'unavailable') this.unconfirmed += 1;
        else if (code !== 'conflict') throw error;
        const there = await store.get(key, { signal }).catch(() => undefined);
        if (there) this.revisions.push(there.revision);
        if (there) number += 1;
      }
    }
  }
}

class Watcher {
  readonly changes: Change[] = [];
  error: unknown;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(store: ClusterStore, since: Revision) {
    this.#done = this.#run(store, since);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(store: ClusterStore, since: Revision): Promise<void> {
    try {
      for await (const change of store.watch('w/', { signal: this.#stop.signal, since })) {
        this.changes.push(change);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.error = error;
    }
  }
}

const blows = {
  'is killed': {
    strike: (member: EtcdMember) => member.kill(),
    mend: (member: EtcdMember) => member.restart(),
  },
  'is stopped': {
    strike: async (member: EtcdMember) => member.freeze(),
    mend: async (member: EtcdMember) => member.thaw(),
  },
} as const;

for (const [what, { strike, mend }] of Object.entries(blows)) {
  for (const who of ['leader', 'follower'] as const) {
    test(`when the ${who} in use ${what}, nothing is lost: not a change, not a watch, not a session`, async () => {
      const leader = await etcd.leader();
      const victim = who === 'leader' ? leader : (etcd.members.find((m) => m !== leader) as EtcdMember);
      const other = etcd.members.find((member) => member !== victim) as EtcdMember;
      const prefix = `/${who} ${what}/`;
      await using near = await open({ prefix, endpoints: first(victim) });
      await using far = await open({ prefix, endpoints: first(other) });
      const session = await near.openSession({ signal, ttlMs: 15_000 });
      await near.transact({ puts: [{ key: 'alive', value: 'x', session }] }, { signal });
      const { revision: since } = await near.list('', { signal });
      const watchers = [new Watcher(near, since), new Watcher(far, since)];
      const writers = [new Writer(near)];
      const madeMore = async (): Promise<void> => {
        const before = writers[0]?.revisions.length ?? 0;
        await until('more was written', () => (writers[0]?.revisions.length ?? 0) > before + 50);
      };
      await madeMore();
      await strike(victim);
      await madeMore();
      await mend(victim);
      await madeMore();
      await Promise.all(writers.map((writer) => writer.stop()));
      const made = writers[0]?.revisions ?? [];
      for (const watcher of watchers) {
        await until('the watch saw the last change', () => watcher.changes.at(-1)?.revision === made.at(-1));
        expect(watcher.changes.map(({ revision }) => revision)).toEqual(made);
        expect(watcher.error).toBeUndefined();
        await watcher.stop();
      }
      expect((await far.list('w/', { signal })).entries.map(({ revision }) => revision)).toEqual(made);
      expect(session.signal.aborted).toBe(false);
      expect(await far.get('alive', { signal })).toBeDefined();
    });
  }
}

test('a store that does nothing but watch notices that its member has fallen silent', async () => {
  const [victim, other] = etcd.members as readonly [EtcdMember, EtcdMember, EtcdMember];
  await using watching = await open({ prefix: '/silent/', endpoints: first(victim) });
  await using writing = await open({ prefix: '/silent/', endpoints: first(other) });
  const { revision: since } = await watching.list('', { signal });
  const watcher = new Watcher(watching, since);
  const revisions = [await writing.transact({ puts: [{ key: 'w/1', value: '' }] }, { signal })];
  await until('the watch saw the first', () => watcher.changes.length === 1);
  victim.freeze();
  await until('something can be written', async () => {
    const put = writing.transact({ puts: [{ key: 'w/2', value: '' }] }, { signal });
    const revision = await put.catch(() => undefined);
    if (revision !== undefined) revisions.push(revision);
    return revision !== undefined;
  });
  await until('the watch saw the last', () => watcher.changes.at(-1)?.revision === revisions.at(-1));
  await watcher.stop();
});

test('without a quorum nothing is answered, not even what a member could; with it, all goes on', async () => {
  const [alone, ...others] = etcd.members as readonly [EtcdMember, EtcdMember, EtcdMember];
  await using store = await open({ prefix: '/quorum/', endpoints: first(alone), callMaxMs: 2_500 });
  const since = await store.transact({ puts: [{ key: 'w/k', value: 'before' }] }, { signal });
  const watcher = new Watcher(store, since);
  await Promise.all(others.map((member) => member.kill()));
  const noQuorum = {
    code: 'unavailable',
    message: expect.stringContaining('no quorum'),
    hint: expect.any(String),
  };
  const calls: Record<string, () => Promise<unknown>> = {
    get: () => store.get('w/k', { signal }),
    list: () => store.list('', { signal }),
    check: () => store.transact({ checks: [{ key: 'w/k', revision: since }] }, { signal }),
    nothing: () => store.transact({}, { signal }),
    put: () => store.transact({ puts: [{ key: 'w/k', value: 'without' }] }, { signal }),
    session: () => store.openSession({ signal, ttlMs: 5_000 }),
    opening: async () => {
      await using _ = await open({ prefix: '/quorum/', endpoints: first(alone), callMaxMs: 2_500 });
    },
  };
  await Promise.all(
    Object.entries(calls).map(([name, call]) => expect(call(), name).rejects.toMatchObject(noQuorum)),
  );
  await heal();
  const revision = await store.transact({ puts: [{ key: 'w/k', value: 'after' }] }, { signal });
  await until('the watch goes on', () => watcher.changes.at(-1)?.revision === revision);
  await watcher.stop();
});

test('a transaction that etcd may have seen is not sent again, and one that got no answer never happens later', async () => {
  const target = etcd.members[0] as EtcdMember;
  await using line = await TcpProxy.open(target.port);
  const endpoints = [target.urlAt(line.port), ...etcd.urls.slice(1)];
  await using store = await open({ prefix: '/unknown/', endpoints, callMaxMs: 1_000 });
  const put = (value: string, o = { signal }) => store.transact({ puts: [{ key: 'k', value }] }, o);
  await put('first');

  await line.setMode('stallToServer');
  const lost = { code: 'unavailable', hint: expect.stringContaining('again') };
  await expect(put('never arrives'.padEnd(10_000))).rejects.toMatchObject(lost);
  const arrived = line.toServerBytes;
  await line.setMode('pass');
  // Long enough for what was underway, had it not been taken back.
  for (let i = 0; i < 20; i += 1) {
    expect(await store.get('k', { signal })).toMatchObject({ value: 'first' });
    await sleep(25);
  }
  // The members were asked how they are: that, and nothing else, went there.
  expect(line.toServerBytes - arrived).toBeLessThan(1_000);
});

test('a transaction of which only the answer is lost has happened once', async () => {
  const target = etcd.members[0] as EtcdMember;
  await using line = await TcpProxy.open(target.port);
  const endpoints = [target.urlAt(line.port), ...etcd.urls.slice(1)];
  await using store = await open({ prefix: '/answer/', endpoints, callMaxMs: 1_000 });
  const since = await store.transact({ puts: [{ key: 'w/k', value: 'first' }] }, { signal });
  await line.setMode('stallToClient');
  await expect(store.transact({ puts: [{ key: 'w/k', value: 'second' }] }, { signal })).rejects.toMatchObject(
    {
      code: 'unavailable',
      message: expect.stringContaining('may have happened'),
    },
  );
  const watcher = new Watcher(store, since);
  await until('it is seen', () => watcher.changes.length > 0);
  await store.transact({ puts: [{ key: 'w/end', value: '' }] }, { signal });
  await until('the end is seen', () => watcher.changes.at(-1)?.puts[0]?.key === 'w/end');
  expect(watcher.changes.map(({ puts }) => puts[0]?.value)).toEqual(['second', '']);
  await watcher.stop();
});

test('a transaction that is aborted while nobody answers is given up, and then never happens', async () => {
  const target = etcd.members[0] as EtcdMember;
  await using line = await TcpProxy.open(target.port);
  await using store = await open({
    prefix: '/aborted/',
    endpoints: [target.urlAt(line.port)],
    callMaxMs: 60_000,
  });
  await store.get('k', { signal });
  await line.setMode('stallToServer');
  const abort = new AbortController();
  const put = store.transact({ puts: [{ key: 'k', value: 'x' }] }, { signal: abort.signal });
  await sleep(100);
  abort.abort(new HoldfastError('cancelled', 'enough'));
  await expect(put).rejects.toMatchObject({ code: 'unavailable' });
  await line.setMode('pass');
  for (let i = 0; i < 20; i += 1) {
    expect(await store.get('k', { signal })).toBeUndefined();
    await sleep(25);
  }
});

test('a member that refuses connections is passed over: a transaction that was not sent goes to another', async () => {
  const target = etcd.members[0] as EtcdMember;
  await using line = await TcpProxy.open(target.port);
  await using store = await open({
    prefix: '/refused/',
    endpoints: [target.urlAt(line.port), ...etcd.urls.slice(1)],
  });
  await store.transact({ puts: [{ key: 'k', value: '1' }] }, { signal });
  await line.setMode('refuse');
  line.cut();
  await until('the connection is known to be gone', async () => {
    const outcome = store.transact({ puts: [{ key: 'k', value: '2' }] }, { signal });
    return outcome.then(
      () => true,
      () => false,
    );
  });
  expect(await store.get('k', { signal })).toMatchObject({ value: '2' });
});

test('endpoints of two different etcds are told apart before they are mixed up', async () => {
  await using another = await startEtcd();
  const target = etcd.members[0] as EtcdMember;
  await using line = await TcpProxy.open(target.port);
  await using store = await open({
    prefix: '/mixed/',
    endpoints: [target.urlAt(line.port), ...another.urls],
  });
  await store.transact({ puts: [{ key: 'k', value: 'x' }] }, { signal });
  await line.setMode('refuse');
  line.cut();
  await until('the other is asked', async () => {
    const outcome = await store.get('k', { signal }).catch(HoldfastError.from);
    return outcome instanceof HoldfastError && outcome.code === 'precondition_failed';
  });
});

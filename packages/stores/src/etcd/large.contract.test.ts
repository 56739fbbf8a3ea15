import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Change, type ClusterStore, type Revision, SystemClock } from '@holdfast/core';
import { type EtcdCluster, startEtcd } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEtcdStore } from './index.ts';

const { signal } = new AbortController();

let etcd: EtcdCluster;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd[Symbol.asyncDispose]());

function open(prefix: string): Promise<ClusterStore> {
  return openEtcdStore(
    { endpoints: etcd.urls, prefix, clock: new SystemClock(), callMaxMs: 2_000 },
    { signal },
  );
}

test('a list of many entries comes in pages, all at one revision, from either end', async () => {
  await using store = await open('/pages/');
  const keys = Array.from({ length: 1_234 }, (_, i) => `k/${String(i).padStart(5, '0')}`);
  for (let at = 0; at < keys.length; at += 100) {
    await store.transact({ puts: keys.slice(at, at + 100).map((key) => ({ key, value: key })) }, { signal });
  }
  const together = [0, 700, 1_233];
  const write = (value: number) =>
    store.transact(
      { puts: together.map((i) => ({ key: keys[i] as string, value: `${value}` })) },
      { signal },
    );
  await write(0);
  let done = false;
  const writing = (async () => {
    for (let i = 1; !done; i += 1) await write(i);
  })();
  for (let i = 0; i < 5; i += 1) {
    const { entries, revision } = await store.list('k/', { signal });
    expect(entries.map(({ key }) => key)).toEqual(keys);
    expect(new Set(together.map((at) => entries[at]?.revision)).size).toBe(1);
    expect(entries[0]?.revision).toBeLessThanOrEqual(revision);
  }
  done = true;
  await writing;
  const listed = async (limit: { first?: number; last?: number }) =>
    (await store.list('k/', { signal, ...limit })).entries.map(({ key }) => key);
  expect(await listed({ last: 777 })).toEqual(keys.slice(-777));
  expect(await listed({ first: 777 })).toEqual(keys.slice(0, 777));
  expect(await listed({ last: 2_000 })).toEqual(keys);
});

test('a slow watcher far behind gets large changes whole, and the store holds no more of them than it must', async () => {
  await using store = await open('/large/');
  const since = (await store.list('', { signal })).revision;
  const value = 'v'.repeat(400_000);
  const made: Revision[] = [];
  // 40 MiB, in changes that are each divided among messages now and then.
  for (let i = 0; i < 36; i += 1) {
    const puts = ['a', 'b', 'c'].map((key) => ({ key, value: `${value}${i}${key}` }));
    made.push(await store.transact({ puts }, { signal }));
  }
  const abort = new AbortController();
  const seen: Change[] = [];
  for await (const change of store.watch('', { signal: abort.signal, since })) {
    seen.push({ ...change, puts: change.puts.map((put) => ({ ...put, value: put.value.slice(400_000) })) });
    // Longer than the stream waits for a reader before it is closed.
    if (seen.length % 12 === 0) await new Promise((resolve) => setTimeout(resolve, 500));
    if (seen.length === made.length) break;
  }
  expect(seen).toEqual(
    made.map((revision, i) => ({
      revision,
      puts: ['a', 'b', 'c'].map((key) => ({ key, value: `${i}${key}`, revision })),
      deletes: [],
    })),
  );
});

test('a process that has closed its store has nothing left of it, and ends by itself', async () => {
  const child = `${import.meta.dirname}/leaving-child.fixture.ts`;
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...etcd.urls], { timeout: 60_000 });
  expect(JSON.parse(stdout)).toEqual([]);
});

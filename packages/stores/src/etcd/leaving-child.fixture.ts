/**
 * A process that uses a store and closes it, and has nothing else to do, for `leaving.contract.test.ts`:
 *
 *   node leaving-child.fixture.ts URL…     prints what keeps it from ending, when it has closed the store
 */
import { SystemClock } from '@holdfast/core';
import { openEtcdStore } from './index.ts';

const { signal } = new AbortController();
const endpoints = process.argv.slice(2);
const store = await openEtcdStore({ endpoints, clock: new SystemClock() }, { signal });
const session = await store.openSession({ signal, ttlMs: 60_000 });
const since = await store.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
const watching = (async () => {
  for await (const _ of store.watch('', { signal, since }));
})().catch(() => undefined);
await store.transact({ puts: [{ key: 'k', value: 'y', session }] }, { signal });
await store[Symbol.asyncDispose]();
await watching;
const open = process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS|Timeout|HTTP)/i.test(name));
process.stdout.write(JSON.stringify(open));

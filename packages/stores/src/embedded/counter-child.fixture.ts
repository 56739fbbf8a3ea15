/**
 * A process that counts in a store that others count in at the same time, for `processes.contract.test.ts`:
 *
 *   node counter-child.fixture.ts PATH NAME TIMES TTL_MS     prints how often it has, after each time
 */
import { HoldfastError, SystemClock } from '@holdfast/core';
import { openEmbeddedStore } from './index.ts';

const [path = '', name = '', times = '', ttlMs = ''] = process.argv.slice(2);
const { signal } = new AbortController();

await using store = await openEmbeddedStore({ path, clock: new SystemClock() }, { signal });
await using session = await store.openSession({ signal, ttlMs: Number(ttlMs) });
await store.transact({ puts: [{ key: `alive/${name}`, value: '', session }] }, { signal });
for (let done = 0; done < Number(times); ) {
  const counter = await store.get('counter', { signal });
  const checks = [{ key: 'counter', revision: counter?.revision ?? ('absent' as const) }];
  const puts = [
    { key: 'counter', value: `${Number(counter?.value ?? 0) + 1}` },
    { key: `by/${name}`, value: `${done + 1}` },
  ];
  try {
    await store.transact({ checks, puts }, { signal });
    done += 1;
    process.stdout.write(`${done}\n`);
  } catch (error) {
    if (HoldfastError.from(error).code !== 'conflict') throw error;
  }
}

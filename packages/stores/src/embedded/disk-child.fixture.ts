/** Fills the small disk that it is given with a store: for `processes.contract.test.ts`. Prints what happened. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { openEmbeddedStore } from './index.ts';

const [, folder = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const path = join(folder, 'store');

let refused = '';
let kept = false;
{
  await using store = await openEmbeddedStore({ path, clock: new SystemClock() }, { signal });
  let made = 0;
  while (refused === '') {
    try {
      await store.transact({ puts: [{ key: `k/${made}`, value: `${made}`.repeat(50_000) }] }, { signal });
      made += 1;
    } catch (error) {
      refused = HoldfastError.from(error).message;
    }
  }
  const { entries } = await store.list('k/', { signal });
  kept = entries.length === made && entries.every(({ key, value }) => value.startsWith(key.slice(2)));
}
using database = new DatabaseSync(path);
const integrity = database.prepare('PRAGMA integrity_check').get()?.integrity_check;
console.log(JSON.stringify({ refused, kept, integrity }));

import type { Value } from '@holdfast/core';
import { type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { openSession } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { ModelChain, readAll } from './model-chain.reference.ts';

const { signal } = new AbortController();
let database: TemporaryDatabase;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'changes');
});
afterEach(() => database[Symbol.asyncDispose]());

/** The sum of the last column. */
function sum(rows: readonly string[] = []): number {
  return rows.reduce((total, text) => total + Number((JSON.parse(text) as Value[]).at(-1)), 0);
}

/**
 * Money moves between a table whose changes are logged by key and one without a key, which is read whole under the
 * view: their sum is right only if the end of the log and the view are the same moment.
 */
it('every incremental ends at one moment, for rows that come as changes and for tables that come whole', async () => {
  await database.psql(`CREATE TABLE keyed (id int PRIMARY KEY, money int); CREATE TABLE keyless (id int, money int);
    INSERT INTO keyed SELECT i, 100 FROM generate_series(1, 50) i; INSERT INTO keyless SELECT * FROM keyed`);
  const chain = new ModelChain(database.url, 'moving');
  await chain.full();
  const stop = new AbortController();
  const writers = [1, 2, 3].map(async (writer) => {
    await using session = await openSession(parseTarget(database.url), { signal });
    await session.exec('SET search_path = public');
    for (let i = 0; !stop.signal.aborted; i++) {
      const id = ((i * 7 + writer * 13) % 50) + 1;
      await session.exec(
        `BEGIN; UPDATE keyed SET money = money - ${i % 9} WHERE id = ${id}; UPDATE keyless SET money = money + ${i % 9} WHERE id = ${id}; COMMIT`,
      );
      if (i % 150 === 100 && writer === 1)
        await session.exec(`ALTER TABLE keyed ADD x${i} int; ALTER TABLE keyed DROP x${i}`);
    }
  });
  let transactions = 0;
  for (let round = 0; round < 8; round++) {
    const told = await chain.incremental();
    transactions += told.lines.filter(([verb]) => verb === 'commit').length;
    expect(told.replaced).toContain('/public.keyless');
    expect(sum(chain.tables.get('/public.keyed')) + sum(chain.tables.get('/public.keyless'))).toBe(10_000);
  }
  stop.abort();
  await Promise.all(writers);
  expect(transactions).toBeGreaterThan(0);
  await chain.incremental();
  expect(chain.tables).toEqual(await readAll(database.url));
});

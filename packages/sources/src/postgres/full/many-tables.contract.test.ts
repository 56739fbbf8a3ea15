import { SystemClock } from '@holdfast/core';
import { temporaryDatabase } from '@holdfast/testing';
import { expect, inject, it, vi } from 'vitest';
import { Session } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { openFull } from './open-full.ts';
import { readChunk } from './read-all.fixture.ts';
import { openReader, type readerData } from './reader.ts';

const { signal } = new AbortController();
const clock = new SystemClock();
const count = 2000;

it('2,000 tables are planned by few queries, and read by one each', async () => {
  await using database = await temporaryDatabase(inject('postgres'), 'many');
  await database.psql(`DO $$ BEGIN FOR i IN 1..${count} LOOP EXECUTE format('CREATE TABLE t%s (id int, v text)', i);
    EXECUTE format('INSERT INTO t%s VALUES (1, ''x'')', i); END LOOP; END $$`);
  const target = parseTarget(database.url, {});
  const commands = vi.spyOn(Session.prototype, 'exclusively');

  await using view = await openFull(target, {
    signal,
    type: 'logical',
    keepChanges: false,
    label: 'x',
    clock,
  });
  await using reader = await openReader(view.token.data as ReturnType<typeof readerData>, { signal });
  const planning = commands.mock.calls.length;
  const tables = view.chunks.filter((chunk) => chunk.kind === 'rows');
  let rows = 0;
  for (const chunk of tables) rows += (await readChunk(reader, chunk, signal)).rows;
  const reading = commands.mock.calls.length - planning;

  expect([tables.length, rows]).toEqual([count, count]);
  expect(planning).toBeGreaterThan(0);
  expect(planning).toBeLessThan(50);
  // Besides the COPY of each: giving back the locks now and then.
  expect(reading).toBeLessThan(count / 50);
});

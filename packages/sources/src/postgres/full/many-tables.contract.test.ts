import { SystemClock } from '@holdfast/core';
import { temporaryDatabase } from '@holdfast/testing';
import { expect, inject, it } from 'vitest';
import { openSession } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { openFull } from './open-full.ts';
import { readChunk } from './read-all.fixture.ts';
import { openReader, type readerData } from './reader.ts';

const { signal } = new AbortController();
const clock = new SystemClock();
const count = 2000;

it('2,000 tables are planned by few queries, and read at the cost of a round trip each', async () => {
  await using database = await temporaryDatabase(inject('postgres'), 'many');
  await database.psql(`DO $$ BEGIN FOR i IN 1..${count} LOOP EXECUTE format('CREATE TABLE t%s (id int, v text)', i);
    EXECUTE format('INSERT INTO t%s VALUES (1, ''x'')', i); END LOOP; END $$`);
  const target = parseTarget(database.url, {});
  // What a round trip costs on this machine, now, is the measure: about 0.1 ms when nobody else is at work.
  await using session = await openSession(target, { signal });
  const began = clock.elapsed();
  for (let i = 0; i < count; i++) await session.rows('SELECT 1');
  const roundTripsMs = clock.elapsed() - began;

  const opening = clock.elapsed();
  await using view = await openFull(target, {
    signal,
    type: 'logical',
    keepChanges: false,
    label: 'x',
    clock,
  });
  const openedMs = clock.elapsed() - opening;
  await using reader = await openReader(view.token.data as ReturnType<typeof readerData>, { signal });
  const tables = view.chunks.filter((chunk) => chunk.kind === 'rows');
  const reading = clock.elapsed();
  let rows = 0;
  for (const chunk of tables) rows += (await readChunk(reader, chunk, signal)).rows;
  const readMs = clock.elapsed() - reading;

  expect([tables.length, rows]).toEqual([count, count]);
  // Measured: once and twice. A query per table for planning would be several times.
  expect(openedMs).toBeLessThan(8 * roundTripsMs);
  expect(readMs).toBeLessThan(8 * roundTripsMs);
});

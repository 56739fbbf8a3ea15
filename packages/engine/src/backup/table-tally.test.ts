import { type ChunkPlan, plannedTablesMax, type RunEvent } from '@holdfast/core';
import { expect, test } from 'vitest';
import { TableTally } from './table-tally.ts';

function chunk(path: string, kind: ChunkPlan['kind'] = 'rows', estimatedBytes = 10): ChunkPlan {
  return { path, kind, columns: [], estimatedBytes, local: false, compare: false, how: null };
}

function tallyOf(chunks: readonly ChunkPlan[]): { tally: TableTally; events: RunEvent[] } {
  const events: RunEvent[] = [];
  return { tally: new TableTally(chunks, (event) => events.push(event)), events };
}

const written = { rows: 3, rawBytes: 40 };

test('partitions and key ranges are chunks of their table, what is no rows is a chunk of none', () => {
  const { tally, events } = tallyOf([
    chunk('/schema', 'schema'),
    chunk('/p.a/p.a_1'),
    chunk('/p.b/@0', 'rows', 7),
    chunk('/p.a/p.a_2/@0-9'),
    chunk('/p.ab'),
    chunk('/sequences', 'special'),
  ]);
  tally.tellPlan();
  expect(events).toEqual([
    {
      kind: 'plan',
      tables: [
        { table: '/p.a', chunks: 2, estimatedBytes: 20 },
        { table: '/p.b', chunks: 1, estimatedBytes: 7 },
        { table: '/p.ab', chunks: 1, estimatedBytes: 10 },
      ],
      tablesTotal: 3,
      chunksTotal: 6,
    },
  ]);
});

test('a table begins with its first chunk and is done with its last one, in any order', () => {
  const chunks = [chunk('/p.a/@0'), chunk('/p.a/@1'), chunk('/schema', 'schema')];
  const { tally, events } = tallyOf(chunks);
  const [first, second, schema] = chunks as [ChunkPlan, ChunkPlan, ChunkPlan];
  tally.begin(schema);
  tally.begin(second);
  tally.begin(first);
  tally.end(first, written);
  tally.end(schema, { rows: 9, rawBytes: 99 });
  // Compared, and the same as before.
  tally.end(second, undefined);
  const kind = 'chunks';
  expect(events).toEqual([
    { kind, started: ['/p.a'], done: [], tablesDone: 0, chunksDone: 0 },
    {
      kind,
      started: [],
      done: [{ table: '/p.a', chunks: 1, rows: 3, bytes: 40 }],
      tablesDone: 0,
      chunksDone: 1,
    },
    { kind, started: [], done: [], tablesDone: 0, chunksDone: 2 },
    {
      kind,
      started: [],
      done: [{ table: '/p.a', chunks: 1, rows: 0, bytes: 0 }],
      tablesDone: 1,
      chunksDone: 3,
    },
  ]);
});

test('tables beyond what a plan lists are counted all the same', () => {
  const chunks = Array.from({ length: plannedTablesMax + 1 }, (_, n) => chunk(`/p.t${n}`));
  const { tally, events } = tallyOf(chunks);
  tally.tellPlan();
  expect(events[0]).toMatchObject({ tablesTotal: plannedTablesMax + 1, chunksTotal: plannedTablesMax + 1 });
  expect(events[0]?.kind === 'plan' && events[0].tables).toHaveLength(plannedTablesMax);
  const last = chunks.at(-1) as ChunkPlan;
  tally.begin(last);
  tally.end(last, written);
  expect(events.slice(1)).toEqual([{ kind: 'chunks', started: [], done: [], tablesDone: 1, chunksDone: 1 }]);
});

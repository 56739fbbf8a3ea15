import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSample } from './format/make-sample.ts';
import { contentsOf } from './harness/postgres-contents.ts';
import { holdfast } from './harness/run-holdfast.ts';
import { sqliteContents, sqliteSchema } from './harness/sqlite-contents.ts';
import { chainFolder, chunkAt, manifestIn } from './harness/tampering.ts';
import { treeOf } from './harness/tree.ts';

/** Where a sample is, and where it is made when it is not there. */
interface Sample {
  readonly name: string;
  readonly frozen: string | undefined;
}

/** `test/format/v1`, `v2`, …: one for each format that was ever released; they are never changed. */
function frozenSamples(): Sample[] {
  const folder = join(import.meta.dirname, 'format');
  const versions = readdirSync(folder).filter((name) => /^v\d+$/.test(name));
  return versions.map((name) => ({ name: `format ${name}, frozen`, frozen: join(folder, name) }));
}

let server: PostgresServer;
let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

/** Where a chain can be restored to: the end of each backup, and the first commit inside its first incremental. */
type PointName = 'full' | 'inside first' | 'first' | 'second';

describe.each([...frozenSamples(), { name: 'the format as it is made now', frozen: undefined }])(
  '$name',
  ({ frozen }) => {
    let sample: string;

    beforeAll(async () => {
      sample = frozen ?? folder.join('made-now');
      if (frozen === undefined) await makeSample(sample);
    });

    test.each([
      ['sqlite', 'sample', 'logical'],
      ['sqlite', 'sample-image', 'snapshot'],
      ['postgres', 'sample', 'logical'],
    ])('%s, task %s: it is listed, and nothing is wrong with it', async (kind, task, type) => {
      const at = `file:${join(sample, kind)}`;
      const { tasks } = await holdfast<{
        tasks: {
          chains: { type: string; backups: { scope: string; restorable: boolean }[]; problems: string[] }[];
        }[];
      }>(['list', '--at', at, '--task', task]);
      expect(tasks.flatMap(({ chains }) => chains)).toMatchObject([
        {
          type,
          problems: [],
          backups: [
            { scope: 'full', restorable: true },
            { scope: 'incremental', restorable: true },
            { scope: 'incremental', restorable: true },
          ],
        },
      ]);
      expect(await holdfast(['check', '--at', at, '--task', task])).toMatchObject({
        findings: [],
        backups: 3,
      });
    });

    test.each(['sample', 'sample-image'])('sqlite, task %s: every point comes back', async (task) => {
      const at = join(sample, 'sqlite');
      const stored = await treeOf(at);
      for (const point of Object.keys(sqliteRows) as PointName[]) {
        const target = folder.join(`${frozen ? 'frozen' : 'now'}-${task}-${point.replace(' ', '-')}.db`);
        await restore(at, task, point, `sqlite:${target}`);
        expect(sqliteContents(target), point).toEqual(sqliteRows[point]);
        if (point === 'full') expect(objectsOf(target)).toEqual(sqliteObjects);
      }
      expect(await treeOf(at)).toEqual(stored);
    });

    test('postgres: every point comes back', async () => {
      const at = join(sample, 'postgres');
      const stored = await treeOf(at);
      for (const point of Object.keys(postgresRows) as PointName[]) {
        await restore(at, 'sample', point, server.url('sample'));
        expect(Object.fromEntries(await contentsOf(server, 'sample')), point).toEqual(postgresRows[point]);
        expect(await server.psql('sample', besides), point).toBe(postgresBesides[point]);
        await server.psql('postgres', 'DROP DATABASE sample WITH (FORCE)');
      }
      expect(await treeOf(at)).toEqual(stored);
    });
  },
);

async function restore(at: string, task: string, point: PointName, to: string): Promise<void> {
  const named = await pointOf(await chainFolder(at, task), point);
  const staging = folder.join('staging');
  await holdfast([
    ...['restore', '--at', `file:${at}`, '--task', task, '--to', to, '--point', named],
    ...['--verify', '--staging', staging],
  ]);
}

/** As `--point` takes it. */
async function pointOf(chain: string, point: PointName): Promise<string> {
  const name = chain.slice(chain.lastIndexOf('/') + 1);
  if (point !== 'inside first') return `${name}/${{ full: '0000', first: '0001', second: '0002' }[point]}`;
  const { entry, segment } = chunkAt(
    await manifestIn(join(chain, '0001-incremental.manifest.json')),
    /^\/changes/,
  );
  expect(entry.frames).toHaveLength(1);
  const stored = (await readFile(join(chain, segment))).subarray(entry.offset, entry.offset + entry.bytes);
  const lines = zstdDecompressSync(stored).toString();
  const commits = [...lines.matchAll(/^\["commit",".*",([\d.]+)\]$/gm)].map(([, timeMs]) => Number(timeMs));
  expect(commits.length).toBeGreaterThan(1);
  // PostgreSQL counts microseconds; a moment has milliseconds, and the next commit is more than one later.
  return new Date(Math.ceil(commits[0] ?? 0)).toISOString();
}

/** Of a prepared database, what is the user's. */
function objectsOf(file: string): readonly string[] {
  using database = new DatabaseSync(file, { readOnly: true });
  const { user_version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  const schema = sqliteSchema(file).filter((sql) => !/holdfast|autoindex/.test(sql));
  return [`user_version ${user_version}`, ...schema.map((sql) => sql.slice(0, sql.indexOf(':')))];
}

const sqliteObjects = [
  'user_version 7',
  'index items_value',
  'table items',
  'table log',
  'table pairs',
  'trigger no_blank',
  'view named',
];

const sqliteText = `'tab\tquote" back\\slash\nÆrøskøbing 😀'`;
const sqliteItems = {
  1: `integer 1, text 'integer', integer 9223372036854775807`,
  2: `integer 2, text 'real', real 0.1`,
  3: `integer 3, text 'infinity', real -9.0e+999`,
  4: `integer 4, text 'text', text ${sqliteText}`,
  5: `integer 5, text 'blob', blob X'00FF7F'`,
  6: 'integer 6, null NULL, null NULL',
  7: `integer 7, text 'empty', text ''`,
  8: `integer 8, text 'late', text 'second transaction'`,
} as const;
const sqliteLog = [`text 'one'`, `text 'two'`, `text 'two'`];

/** In the form of `sqliteContents`. */
const sqliteRows: Readonly<Record<PointName, ReturnType<typeof sqliteContents>>> = {
  full: {
    items: ([1, 2, 3, 4, 5, 6, 7] as const).map((id) => sqliteItems[id]),
    log: sqliteLog,
    pairs: [`text 'x', integer 1, text 'first'`, `text 'x', integer 2, null NULL`],
  },
  'inside first': {
    items: [
      sqliteItems[1],
      `integer 2, text 'real', real 1.0`,
      ...([3, 4, 5, 6, 7] as const).map((id) => sqliteItems[id]),
    ],
    log: sqliteLog,
    pairs: [`text 'x', integer 1, text 'first'`, `text 'x', integer 2, null NULL`],
  },
  first: {
    items: [
      sqliteItems[1],
      `integer 2, text 'real', real 1.0`,
      ...([4, 5, 6, 7, 8] as const).map((id) => sqliteItems[id]),
    ],
    log: sqliteLog,
    pairs: [`text 'x', integer 1, text 'first'`, `text 'x', integer 3, null NULL`],
  },
  second: {
    fresh: [`integer 1, text 'new'`],
    items: [
      `integer 1, text 'renamed', integer 9223372036854775807`,
      `integer 2, text 'real', real 1.0`,
      ...([4, 5, 6, 7, 8] as const).map((id) => sqliteItems[id]),
    ],
    pairs: [
      `text 'x', integer 1, text 'first', text 'added'`,
      `text 'x', integer 3, null NULL, text 'added'`,
    ],
  },
};

const long = 'long '.repeat(2000);
const plain = (score: string, mood: string): string =>
  `(1,plain,2000-02-29,${score},"\\\\x00ff","{""a"": [1, null]}",${mood},2,"${long}"`;
const nasty = `(2,"tab\tquote"" back\\\\slash\nÆrøskøbing 😀",,NaN,"\\\\x",null,stormy,4,`;
const ides = `(3,,"0044-03-15 BC",-0.000001,,,,6,""`;
const never = (id: number): string =>
  `(${id},"\\\\N",infinity,12345678901234567890.123,"\\\\x5c4e","""\\\\\\\\N""",calm,${id * 2},x`;
const late = '(6,late,,,,,,12,';

/** In the form of `contentsOf`: sorted by the bytes of the rows as text. */
const postgresRows: Readonly<Record<PointName, Readonly<Record<string, readonly string[]>>>> = {
  full: {
    'public.events_1': ['(1,2026-01-10,january)'],
    'public.events_2': ['(2,2026-02-10,february)'],
    'public.log': ['(one)', '(two)', '(two)'],
    'public.people': [`${plain('1.50', 'calm')})`, `${nasty})`, `${ides})`, `${never(4)})`],
  },
  'inside first': {
    'public.events_1': ['(1,2026-01-10,january)', '(3,2026-01-11,third)'],
    'public.events_2': ['(2,2026-02-10,february)'],
    'public.log': ['(one)', '(two)', '(two)'],
    'public.people': [`${plain('2', 'calm')})`, `${nasty})`, `${never(4)})`],
  },
  first: {
    'public.events_1': ['(1,2026-01-10,january)'],
    'public.events_2': ['(2,2026-02-10,february)', '(3,2026-02-11,third)'],
    'public.log': ['(one)', '(two)', '(two)'],
    'public.people': [`${plain('2', 'calm')})`, `${nasty})`, `${never(5)})`, `${late})`],
  },
  second: {
    'public.events_2': ['(2,2026-02-10,february)', '(3,2026-02-11,third)'],
    'public.fresh': ['(1,new)'],
    'public.log': ['(one)', '(three)', '(two)', '(two)'],
    'public.people': [
      `${plain('2', 'stormy')},added)`,
      `${nasty},added)`,
      `${never(5)},added)`,
      `${late},added)`,
    ],
  },
};

/** What a database has besides rows. */
const besides = `
  SELECT nextval('counter'), convert_from(lo_get(4711), 'UTF8'), (SELECT count(*) FROM calm),
    (SELECT string_agg(indexname, ' ' ORDER BY indexname COLLATE "C") FROM pg_indexes WHERE tablename = 'people')`;

const postgresBesides: Readonly<Record<PointName, string>> = {
  full: '42|a large object|2|people_name people_pkey',
  // What the log does not carry is as it was at the backup before.
  'inside first': '42|a large object|2|people_name people_pkey',
  first: '43|a large object|2|people_name people_pkey',
  second: '43|a tiny! object|1|people_name people_pkey',
};

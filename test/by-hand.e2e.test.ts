import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contentsOf } from './harness/postgres-contents.ts';
import { holdfast } from './harness/run-holdfast.ts';

const run = promisify(execFile);

/** Whatever has a meaning to COPY, to JSON, to a shell, to jq or to psql, and what is easily lost on the way. */
const nastyTexts: readonly (string | null)[] = [
  null,
  '',
  ' ',
  '\\N',
  '\\\\N',
  '\\',
  '\\.',
  '\\.\n',
  'N',
  'null',
  'NULL',
  '"',
  '""',
  "it's",
  '["1",null]',
  '{"chunk":"/public.nasty","kind":"rows"}',
  '{"rows":1}',
  'a\tb',
  '\t',
  'a\nb',
  '\n',
  '\n\n',
  'a\rb',
  'a\r\nb',
  '\b\f\v\u0001\u001f\u007f',
  '\\t\\n\\r\\b\\x41\\u0041',
  'Zoë naïve façade ﬁ',
  'e\u0301 is not é',
  '日本語、한국어, עברית, العربية',
  '😀👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿',
  '\u2028\u2029\u0085\ufeff\u200b',
  '\u{10ffff}',
  '$chain `id` $(id) %s %n ; DROP TABLE nasty; --',
  '/public.nasty/@0-1',
  'x'.repeat(9_000),
  '\\'.repeat(999),
  '"\\\n\t'.repeat(500),
];

const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

let server: PostgresServer;
let folder: TemporaryFolder;
let blocks: ReadonlyMap<string, string>;
let chain: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  const page = await readFile(join(import.meta.dirname, '..', 'docs', 'format.md'), 'utf8');
  blocks = new Map(
    [...page.matchAll(/^<!-- by-hand: (.+) -->\n```sh\n([\s\S]*?)\n```$/gm)].map(
      ([, name = '', text = '']) => [name, text],
    ),
  );
  await server.createDatabase('nasty');
  await fillNasty();
  const at = `file:${folder.join('backups')}`;
  await holdfast(['backup', '--full', '--from', server.url('nasty'), '--to', at], {
    env: { HOLDFAST_STAGING: folder.join('staging') },
  });
  const { tasks } = await holdfast<{ tasks: { task: string; chains: { chain: string }[] }[] }>([
    'list',
    '--at',
    at,
  ]);
  chain = folder.join('backups', tasks[0]?.task ?? '', tasks[0]?.chains[0]?.chain ?? '');
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

async function fillNasty(): Promise<void> {
  const client = new pg.Client({ connectionString: server.url('nasty') });
  await client.connect();
  await client.query(`
    CREATE TABLE nasty (
      id serial PRIMARY KEY, note text, "Größe ""x"", 1" text, bin bytea, doc jsonb, plain json, amount numeric,
      ratio double precision, list text[], at timestamptz, took interval, flag boolean);
    CREATE INDEX nasty_note ON nasty (md5(note));
    CREATE TABLE nasty_too (id int PRIMARY KEY, note text);
    INSERT INTO nasty_too VALUES (1, 'must not come along');
    CREATE TABLE measures (id int, day date, value float8) PARTITION BY RANGE (day);
    CREATE TABLE measures_1 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE measures_2 PARTITION OF measures FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    INSERT INTO measures SELECT i, '2026-01-01'::date + i % 59, i / 7.0 FROM generate_series(1, 500) i;`);
  for (const [index, text] of nastyTexts.entries()) {
    const other = nastyTexts[(index * 7 + 3) % nastyTexts.length] ?? null;
    await client.query(
      `INSERT INTO nasty (note, "Größe ""x"", 1", bin, doc, plain, amount, ratio, list, at, took, flag)
       VALUES ($1, $2, $3, $4, $5, $6::numeric, $7::float8, $8, $9::timestamptz, $10::interval, $11)`,
      [
        text,
        other,
        index % 5 === 0 ? null : bytes.subarray(0, index * 7),
        JSON.stringify({ [text ?? 'null']: [other, index, 1e21, { deep: [[]] }] }),
        JSON.stringify({ a: text, ' b': other }, undefined, 1),
        ['NaN', '-Infinity', `${'9'.repeat(300)}.${'1'.repeat(120)}`, '0.000', '-1e-200', null][index % 6],
        ['NaN', 'Infinity', '-0', '5e-324', '0.1', null][index % 6],
        [text, other, '{}', 'a,b', null],
        ['infinity', '0001-01-01 00:00:00+00 BC', '2026-11-20 14:03:00.123456+01', null][index % 4],
        ['1 year 2 mons -3 days 04:05:06.789', '-1 day', null][index % 3],
        [true, false, null][index % 3],
      ],
    );
  }
  await client.end();
}

/** Runs a block of the page as a person would who typed the variables first. */
async function byHand(block: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const script = blocks.get(block);
  if (script === undefined) throw new Error(`docs/format.md has no block "${block}"`);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
  await run('sh', ['-c', script], { env: { ...env, chain, ...variables } });
}

describe('one table back by hand, with the commands of docs/format.md as they stand there', () => {
  test('the page has the commands for statements, rows and indexes', () => {
    expect([...blocks.keys()]).toEqual(['statements', 'rows', 'indexes']);
  });

  test('a table of nasty values comes back row by row, and nothing else does', async () => {
    const target = await server.createDatabase();
    const variables = { database: server.url(target), table: 'public.nasty', chunk: '/public.nasty' };
    await byHand('statements', variables);
    await byHand('rows', variables);
    await byHand('indexes', variables);
    const source = await contentsOf(server, 'nasty');
    const restored = await contentsOf(server, target);
    expect([...restored.keys()]).toEqual(['public.nasty']);
    expect(restored.get('public.nasty')).toHaveLength(nastyTexts.length);
    expect(restored.get('public.nasty')).toEqual(source.get('public.nasty'));
    const indexes = `SELECT indexdef FROM pg_indexes WHERE tablename = 'nasty' ORDER BY 1`;
    expect(await server.psql(target, indexes)).toBe(await server.psql('nasty', indexes));
  });

  test('one partition comes back alone, and all of them into a table that is not partitioned', async () => {
    const target = await server.createDatabase();
    const database = server.url(target);
    const one = { database, table: 'public.measures_1', chunk: '/public.measures/public.measures_1' };
    await byHand('statements', one);
    await byHand('rows', one);
    await server.psql(target, 'CREATE TABLE whole (id int, day date, value float8)');
    await byHand('rows', { database, table: 'whole', chunk: '/public.measures' });
    const source = await contentsOf(server, 'nasty');
    const restored = await contentsOf(server, target);
    expect(restored.get('public.measures_1')).toEqual(source.get('public.measures_1'));
    const all = [...(source.get('public.measures_1') ?? []), ...(source.get('public.measures_2') ?? [])];
    expect(all).toHaveLength(500);
    expect([...(restored.get('public.whole') ?? [])].sort()).toEqual(all.sort());
  });

  test('what has to hold at the end holds: lines and trailers count what the table counts', async () => {
    const { stdout } = await run('sh', [
      '-c',
      `zstd -dc "${chain}"/0000-full-*.ndjson.zst | jq -c 'select(type == "object")'`,
    ]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { chunk?: string; rows?: number });
    const at = lines.findIndex(({ chunk }) => chunk === '/public.nasty');
    expect(lines[at + 1]?.rows).toBe(nastyTexts.length);
    expect(await server.psql('nasty', 'SELECT count(*) FROM nasty')).toBe(String(nastyTexts.length));
  });
});

import { appendFile, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChunkEntry, type Manifest, SystemClock } from '@holdfast/core';
import { type CheckFinding, type CheckReport, perform } from '@holdfast/service';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { holdfast, runHoldfast } from './harness/run-holdfast.ts';
import { alter, chainFolder, copyOf, flipBit, manifestIn, resealed, sha256Of } from './harness/tampering.ts';
import { treeOf } from './harness/tree.ts';

const partitions = 210;
const stems = ['0000-full', '0001-incremental', '0002-incremental', '0003-incremental'] as const;

let folder: TemporaryFolder;
let backups: string;
/** By stem. */
let manifests: ReadonlyMap<string, Manifest>;

beforeAll(async () => {
  folder = await temporaryFolder();
  backups = folder.join('backups');
  await using server = await startPostgres();
  await makeChain(server);
  await makeRanges(server);
  const chain = await chainFolder(backups, 'shop');
  manifests = new Map(
    await Promise.all(
      stems.map(async (stem) => [stem, await manifestIn(join(chain, `${stem}.manifest.json`))] as const),
    ),
  );
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

/** A full in several segments with partitions, and incrementals that change, replace and drop. */
async function makeChain(server: PostgresServer): Promise<void> {
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE events (id int, at date, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
     DO $$ BEGIN FOR i IN 0..${partitions - 1} LOOP
       EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)', i, date '2026-01-01' + i, date '2026-01-02' + i);
     END LOOP; END $$;
     INSERT INTO events SELECT i, date '2026-01-01' + i % ${partitions}, md5(i::text) FROM generate_series(1, 2000) i;
     CREATE TABLE orders (id bigserial PRIMARY KEY, note text); INSERT INTO orders (note) SELECT md5(i::text) FROM generate_series(1, 3000) i;
     CREATE TABLE keyless (line text); INSERT INTO keyless SELECT md5(i::text) FROM generate_series(1, 300) i;
     SELECT lo_from_bytea(0, decode(repeat('c0ffee', 3000), 'hex'))`,
  );
  const backup = (...options: string[]): Promise<void> => store(server, 'shop', 'backups', ...options);
  await backup('--workers', '2');
  await server.psql(
    'shop',
    `UPDATE orders SET note = md5(note) WHERE id % 3 = 0; INSERT INTO events VALUES (9999, '2026-01-05', 'new')`,
  );
  await backup('--incremental');
  await server.psql(
    'shop',
    `DELETE FROM keyless WHERE line < '8'; ALTER TABLE orders ADD COLUMN more int DEFAULT 7; DROP TABLE events_7`,
  );
  await backup('--incremental');
  await server.psql('shop', `UPDATE orders SET note = md5(note) WHERE id % 7 = 0`);
  await backup('--incremental');
}

/** A table that is large enough to be read in key ranges, and little when it is compressed. */
async function makeRanges(server: PostgresServer): Promise<void> {
  await server.createDatabase('ranges');
  await server.psql(
    'ranges',
    `CREATE TABLE large (id int, filler char(600), text text);
     ALTER TABLE large ALTER filler SET STORAGE PLAIN, ALTER text SET STORAGE EXTERNAL;
     INSERT INTO large SELECT i, '', repeat('large ' || i % 7, 4000) FROM generate_series(1, 2500) i`,
  );
  await store(server, 'ranges', 'ranges', '--full');
}

async function store(
  server: PostgresServer,
  database: string,
  to: string,
  ...options: string[]
): Promise<void> {
  const args = ['backup', '--from', server.url(database), '--to', `file:${folder.join(to)}`, ...options];
  await holdfast(args, { env: { HOLDFAST_STAGING: folder.join('staging') } });
}

/** What is wrong, as `finding backup path`. */
type Findings = readonly string[];

function shown({ finding, backup, path }: Pick<CheckFinding, 'finding' | 'backup' | 'path'>): string {
  return `${finding} ${backup.split('/')[1]} ${path ?? '-'}`;
}

/** All chunks of these, as findings of one kind. */
function chunksOf(
  stem: (typeof stems)[number],
  finding: string,
  chosen: (chunk: ChunkEntry) => boolean,
): Findings {
  const manifest = manifests.get(stem);
  const chunks = manifest?.chunks.filter(chosen) ?? [];
  expect(chunks.length).toBeGreaterThan(0);
  return chunks.map(({ path }) => `${finding} ${stem.slice(0, 4)} ${path}`);
}

function chunk(stem: string, path: RegExp): ChunkEntry {
  const found = manifests.get(stem)?.chunks.find((one) => path.test(one.path));
  if (!found) throw new Error(`${stem} has no chunk ${path}`);
  return found;
}

function segmentOf(stem: string, { segment }: ChunkEntry): string {
  return manifests.get(stem)?.segments[segment]?.name ?? '';
}

/** Checks with the command, which must say exactly this and change nothing. */
async function expectFindings(at: string, expected: Findings, ...paths: string[]): Promise<void> {
  const before = await treeOf(at);
  const { code, stdout, stderr } = await runHoldfast(['check', ...paths, '--at', `file:${at}`, '--json']);
  expect(code, stderr).toBe(expected.length === 0 ? 0 : 4);
  const report = JSON.parse(stdout) as CheckReport;
  expect(report.findings.map(shown).toSorted()).toEqual([...expected].toSorted());
  expect(await treeOf(at)).toEqual(before);
}

/** A copy of the chain with something done to it. */
async function damaged(name: string, damage: (chain: string) => Promise<unknown>): Promise<string> {
  const at = await copyOf(backups, folder.join(name.replaceAll(' ', '-')));
  await damage(await chainFolder(at, 'shop'));
  return at;
}

describe('check', () => {
  test('finds nothing wrong with a chain of many chunks in several segments', async () => {
    const full = manifests.get('0000-full');
    expect(full?.segments.length).toBeGreaterThan(1);
    expect(full?.chunks.filter(({ path }) => path.startsWith('/public.events/')).length).toBe(partitions);
    expect(manifests.get('0002-incremental')?.replaced.length).toBeGreaterThan(0);
    expect(manifests.get('0002-incremental')?.dropped).toEqual(['/public.events/public.events_7']);
    await expectFindings(backups, []);
  });

  test('a missing segment: each of its chunks', async () => {
    const { segment } = chunk('0000-full', /events_3$/);
    const at = await damaged('missing', (chain) =>
      rm(join(chain, manifests.get('0000-full')?.segments[segment]?.name ?? '')),
    );
    const expected = chunksOf('0000-full', 'missing', (one) => one.segment === segment);
    expect(expected.length).toBeLessThan(manifests.get('0000-full')?.chunks.length ?? 0);
    await expectFindings(at, expected);
  });

  test('an empty segment: each of its chunks', async () => {
    const at = await damaged('empty', (chain) => truncate(join(chain, '0001-incremental-001.ndjson.zst')));
    await expectFindings(
      at,
      chunksOf('0001-incremental', 'empty', () => true),
    );
  });

  test('a truncated segment: the chunks that are cut off, and no other', async () => {
    const cut = chunk('0000-full', /events_40$/);
    const at = await damaged('truncated', (chain) =>
      truncate(join(chain, segmentOf('0000-full', cut)), cut.offset + 1),
    );
    const lost = chunksOf(
      '0000-full',
      'wrong size',
      (one) => one.segment === cut.segment && one.offset >= cut.offset,
    );
    await expectFindings(at, lost);
  });

  test('a segment that has grown: the segment, and none of its chunks', async () => {
    const at = await damaged('grown', (chain) =>
      appendFile(join(chain, '0003-incremental-001.ndjson.zst'), 'x'),
    );
    await expectFindings(at, ['wrong size 0003 -']);
  });

  test('a changed byte: the one chunk that it is in, by its checksum', async () => {
    const paths = [/^\/schema$/, /^\/large-objects/, /^\/sequences$/, /events_123$/, /^\/public\.keyless$/];
    for (const [index, path] of paths.entries()) {
      const entry = chunk('0000-full', path);
      const at = await damaged(`changed-${index}`, (chain) =>
        flipBit(join(chain, segmentOf('0000-full', entry)), (entry.offset + entry.bytes - 1) * 8),
      );
      await expectFindings(at, [`wrong checksum 0000 ${entry.path}`]);
    }
  });

  test('a changed byte in a key range: that range, and not the rest of its table', async () => {
    const at = folder.join('ranges');
    const chain = await chainFolder(at, 'ranges');
    const { chunks, segments } = await manifestIn(join(chain, '0000-full.manifest.json'));
    const ranges = chunks.filter(({ path }) => path.startsWith('/public.large/@'));
    expect(ranges.length).toBeGreaterThan(1);
    const [entry] = ranges as [ChunkEntry];
    await expectFindings(at, []);
    await flipBit(join(chain, segments[entry.segment]?.name ?? ''), (entry.offset + entry.bytes - 1) * 8);
    await expectFindings(at, [`wrong checksum 0000 ${entry.path}`]);
  });

  test('bytes that were never zstd, though their checksum is that of the manifest', async () => {
    const { entry, name } = inLast();
    const at = await damaged('unreadable', async (chain) => {
      await alter(join(chain, name), (bytes) => bytes.fill(0x2a, entry.offset, entry.offset + entry.bytes));
      await promise(chain, name, entry, (one) => one);
    });
    await expectFindings(at, [`unreadable frame 0003 ${entry.path}`]);
  });

  test('fewer rows than the manifest counts, or others', async () => {
    const { entry, name } = inLast();
    const less = await damaged('rows', (chain) =>
      promise(chain, name, entry, (one) => ({ ...one, rows: one.rows + 1 })),
    );
    await expectFindings(less, [`row count 0003 ${entry.path}`]);
    const others = await damaged('digest', (chain) =>
      promise(chain, name, entry, (one) => ({ ...one, digest: one.digest.split('').reverse().join('') })),
    );
    await expectFindings(others, [`row count 0003 ${entry.path}`]);
    const shorter = await damaged('bytes', (chain) =>
      promise(chain, name, entry, (one) => ({ ...one, rawBytes: one.rawBytes - 1 })),
    );
    await expectFindings(shorter, [`row count 0003 ${entry.path}`]);
  });

  test('a missing manifest: every backup that follows it', async () => {
    const first = await damaged('without-first', (chain) =>
      rm(join(chain, '0001-incremental.manifest.json')),
    );
    await expectFindings(first, ['broken chain 0002 -', 'broken chain 0003 -']);
    const full = await damaged('without-full', (chain) => rm(join(chain, '0000-full.manifest.json')));
    await expectFindings(full, ['broken chain 0001 -', 'broken chain 0002 -', 'broken chain 0003 -']);
    // Without its manifest the last one is no backup: what is left of it is litter, not damage.
    const last = await damaged('without-last', (chain) => rm(join(chain, '0003-incremental.manifest.json')));
    await expectFindings(last, []);
  });

  test('an altered manifest: itself, and every backup that follows it', async () => {
    const at = await damaged('altered', (chain) =>
      flipBit(join(chain, '0001-incremental.manifest.json'), 999),
    );
    await expectFindings(at, ['altered manifest 0001 -', 'broken chain 0002 -', 'broken chain 0003 -']);
    const resealedOne = await damaged('resealed', (chain) =>
      resealed(join(chain, '0001-incremental.manifest.json'), (one) => ({ ...one, finishedAtMs: 1 })),
    );
    await expectFindings(resealedOne, ['broken chain 0002 -', 'broken chain 0003 -']);
    const empty = await damaged('emptied', (chain) =>
      truncate(join(chain, '0003-incremental.manifest.json')),
    );
    await expectFindings(empty, ['altered manifest 0003 -']);
  });

  test('of some paths or backups reads those alone, and tells of what it was asked for only', async () => {
    const [three, four] = [chunk('0000-full', /events_3$/), chunk('0000-full', /events_4$/)];
    const at = await damaged('two', async (chain) => {
      for (const one of [three, four])
        await flipBit(join(chain, segmentOf('0000-full', one)), (one.offset + 20) * 8);
    });
    await expectFindings(at, [`wrong checksum 0000 ${three.path}`], '/public.events/public.events_3');
    await expectFindings(at, [`wrong checksum 0000 ${four.path}`], '/public.events%_4');
    await expectFindings(at, [], '/public.orders');
    const { chain } = manifests.get('0000-full') as Manifest;
    await expectFindings(at, [], `${chain}/0001`);
    await expectFindings(
      at,
      [three, four].map(({ path }) => `wrong checksum 0000 ${path}`),
      `${chain}/0000`,
    );
  });

  test('says in words what is wrong, and nothing else on stdout', async () => {
    const entry = chunk('0000-full', /events_3$/);
    const at = await damaged('words', (chain) =>
      flipBit(join(chain, segmentOf('0000-full', entry)), (entry.offset + 30) * 8),
    );
    const { code, stdout, stderr } = await runHoldfast(['check', '--at', `file:${at}`]);
    expect(code).toBe(4);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^FINDING +TASK +BACKUP +PATH +OBJECT +DETAIL/);
    expect(lines[1]).toContain(
      `wrong checksum  shop  ${manifests.get('0000-full')?.chain}/0000  ${entry.path}  `,
    );
    expect(stderr).toMatch(/^1 finding: 4 backups, /m);
  });
});

test('any one of 200 flipped bits, wherever it is, is found, and nothing else is', async () => {
  const at = await copyOf(backups, folder.join('flipped'));
  const chain = await chainFolder(at, 'shop');
  const files = (await readdir(chain)).sort();
  const random = seeded(20_261_120);
  const found = new Map<string, number>();
  for (let flip = 0; flip < 200; flip++) {
    // Each file in turn, so that the small ones are not left out.
    const file = files[flip % files.length] as string;
    const bit = Math.floor(random() * 8 * (await stat(join(chain, file))).size);
    await flipBit(join(chain, file), bit);
    const { findings } = await checkHere(at);
    await flipBit(join(chain, file), bit);
    const about = `bit ${bit} of ${file}`;
    const [first] = findings;
    expect(first, about).toBeDefined();
    found.set(first?.finding ?? '', (found.get(first?.finding ?? '') ?? 0) + 1);
    const wanted = expectedOf(file, Math.floor(bit / 8));
    // Whether the checksum or the decompressor notices first depends on the bit.
    const places = findings.map((one) => shown(one).replace('unreadable frame', 'wrong checksum'));
    expect(places.toSorted(), about).toEqual([...wanted].toSorted());
  }
  expect([...found.keys()]).toEqual(expect.arrayContaining(['altered manifest', 'wrong checksum']));
  await expectFindings(at, []);
});

/** What a changed byte of a file of the chain has to lead to. */
function expectedOf(file: string, byte: number): Findings {
  const stem = stems.find((one) => file.startsWith(one)) ?? '0000-full';
  const number = stem.slice(0, 4);
  if (file.endsWith('.manifest.json')) {
    const followers = stems.filter((one) => one > stem).map((one) => `broken chain ${one.slice(0, 4)} -`);
    return [`altered manifest ${number} -`, ...followers];
  }
  const manifest = manifests.get(stem);
  const segment = manifest?.segments.findIndex(({ name }) => name === file);
  const entry = manifest?.chunks.find(
    (one) => one.segment === segment && one.offset <= byte && byte < one.offset + one.bytes,
  );
  return [`wrong checksum ${number} ${entry?.path}`];
}

/** In this process, because 200 of them take a while. */
async function checkHere(at: string): Promise<CheckReport> {
  return perform(
    { kind: 'check', at: `file:${at}`, request: { paths: [] } },
    { observer: () => undefined, clock: new SystemClock(), signal: new AbortController().signal },
  );
}

function inLast(): { entry: ChunkEntry; name: string } {
  const entry = chunk('0003-incremental', /^\/changes/);
  return { entry, name: segmentOf('0003-incremental', entry) };
}

/** Makes the last manifest promise what is stored now, with one chunk's entry changed. */
async function promise(
  chain: string,
  name: string,
  entry: ChunkEntry,
  change: (entry: ChunkEntry) => ChunkEntry,
): Promise<void> {
  let stored = { whole: '', part: '' };
  await alter(join(chain, name), (bytes) => {
    stored = {
      whole: sha256Of(bytes),
      part: sha256Of(bytes.subarray(entry.offset, entry.offset + entry.bytes)),
    };
    return bytes;
  });
  await resealed(join(chain, '0003-incremental.manifest.json'), (manifest) => ({
    ...manifest,
    segments: manifest.segments.map((one) => (one.name === name ? { ...one, sha256: stored.whole } : one)),
    chunks: manifest.chunks.map((one) =>
      one.path === entry.path ? change({ ...one, sha256: stored.part }) : one,
    ),
  }));
}

/** Mulberry32: the same numbers in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

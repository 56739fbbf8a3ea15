import type { Manifest } from '@holdfast/core';
import { SqliteDestination, seededBytes, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import type { CheckFinding, CheckReport } from '../api.ts';
import { readManifest, writeManifest } from '../manifest-file.ts';
import { never, openWorld, type World } from '../world.fixture.ts';
import { check } from './check.ts';

const columns = ['id', 'name'];

/** A full of two tables in three chunks each, and two incrementals. */
async function stored(): Promise<World> {
  const world = await openWorld({ chunkRows: 2 });
  for (const path of ['/p.a', '/p.b']) {
    world.database.createTable(path, { columns, key: ['id'] });
    world.database.transaction((t) => {
      for (const n of [1, 2, 3, 4, 5]) t.insert(path, texts(String(n), `${path} ${n}`));
    });
  }
  await world.backup();
  for (const n of [6, 7]) {
    world.database.transaction((t) => t.insert('/p.a', texts(String(n), 'later')));
    await world.backup();
  }
  return world;
}

const keyOf = (world: World, end: string): string => {
  const key = world.keys.find((one) => one.endsWith(end));
  if (!key) throw new Error(`nothing ends with ${end}`);
  return key;
};
const bytesOf = (world: World, key: string): Buffer =>
  world.destination.objects.get(key)?.bytes ?? Buffer.alloc(0);
const manifest = (world: World, end: string): Manifest => {
  const key = keyOf(world, end);
  return readManifest(bytesOf(world, key), key);
};
/** Each finding as its kind, its backup's number, and its path. */
function brief({ findings }: { readonly findings: readonly CheckFinding[] }): string[] {
  return findings
    .map(({ finding, backup, path }) => `${finding} ${backup.split('/')[1]} ${path ?? '-'}`)
    .sort();
}

const firstSegment = '0000-full-001.ndjson.zst';
const allPaths = ['/p.a/@0', '/p.a/@2', '/p.a/@4', '/p.b/@0', '/p.b/@2', '/p.b/@4', '/schema', '/sequences'];

describe('a check', () => {
  test('of what is whole finds nothing, and has read all of it', async () => {
    await using world = await stored();
    const report: CheckReport = await world.check();
    expect(report).toMatchObject({ findings: [], backups: 3, chunks: allPaths.length + 2 });
    const sizes = ['0000', '0001', '0002'].map(
      (n) =>
        manifest(world, `${n}-${n === '0000' ? 'full' : 'incremental'}.manifest.json`).totals.storedBytes,
    );
    expect(report.storedBytes).toBe(sizes.reduce((sum, bytes) => sum + bytes, 0));
  });

  test('lists every chunk of a missing and of an empty segment', async () => {
    for (const [bytes, finding] of [
      [undefined, 'missing'],
      [Buffer.alloc(0), 'empty'],
    ] as const) {
      await using world = await stored();
      const key = keyOf(world, firstSegment);
      if (bytes) world.destination.objects.set(key, bytes);
      else world.destination.objects.delete(key);
      expect(brief(await world.check())).toEqual(allPaths.map((path) => `${finding} 0000 ${path}`));
    }
  });

  test('lists exactly the chunks that a truncated segment lacks', async () => {
    await using world = await stored();
    const key = keyOf(world, firstSegment);
    const bytes = bytesOf(world, key);
    const { chunks } = manifest(world, '0000-full.manifest.json');
    for (let length = 1; length < bytes.length; length += 61) {
      world.destination.objects.set(key, bytes.subarray(0, length));
      const lacking = chunks.filter((chunk) => chunk.offset + chunk.bytes > length).map(({ path }) => path);
      expect(brief(await world.check()), `${length}`).toEqual(
        lacking.sort().map((path) => `wrong size 0000 ${path}`),
      );
    }
  });

  test('says that a segment is longer', async () => {
    await using world = await stored();
    const key = keyOf(world, firstSegment);
    world.destination.objects.set(key, Buffer.concat([bytesOf(world, key), Buffer.of(0)]));
    expect(brief(await world.check())).toEqual(['wrong size 0000 -']);
    expect(brief(await world.check('/p.a'))).toEqual(['wrong size 0000 -']);
  });

  test('finds a flipped bit anywhere in a segment, in the one chunk that has it', async () => {
    await using world = await stored();
    const key = keyOf(world, firstSegment);
    const bytes = bytesOf(world, key);
    const { chunks } = manifest(world, '0000-full.manifest.json');
    for (let at = 0; at < bytes.length; at += 53) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      world.destination.objects.set(key, flipped);
      const owner = chunks.find((chunk) => chunk.offset <= at && at < chunk.offset + chunk.bytes);
      const found = brief(await world.check());
      if (found.length !== 1 || found[0] !== `wrong checksum 0000 ${owner?.path}`)
        expect.fail(`byte ${at}: ${found}`);
    }
  }, 60_000);

  test('lists all chunks of two segments that were exchanged', async () => {
    await using world = await stored();
    const [one, two] = ['0001-incremental-001.ndjson.zst', '0002-incremental-001.ndjson.zst'].map((end) =>
      keyOf(world, end),
    );
    if (!one || !two) throw new Error();
    const [a, b] = [bytesOf(world, one), bytesOf(world, two)];
    world.destination.objects.set(one, b);
    world.destination.objects.set(two, a);
    const found = brief(await world.check());
    expect(found.map((line) => line.replace(/^wrong (checksum|size)/, 'wrong'))).toEqual([
      'wrong 0001 /changes/@1',
      'wrong 0002 /changes/@1',
    ]);
  });

  test('finds a chunk whose manifest lies about its rows, though all checksums fit', async () => {
    await using world = await stored();
    const key = keyOf(world, '0002-incremental.manifest.json');
    const lying = manifest(world, '0002-incremental.manifest.json');
    for (const lie of [{ rows: 99 }, { digest: 'f'.repeat(32) }, { rawBytes: 1 }]) {
      const chunks = lying.chunks.map((chunk) => ({ ...chunk, ...lie }));
      world.destination.objects.set(key, Buffer.from(writeManifest({ ...lying, chunks })));
      expect(brief(await world.check())).toEqual(['row count 0002 /changes/@1']);
    }
  });

  test('finds a chunk whose bytes are not zstd, though its checksum fits', async () => {
    await using world = await stored();
    const segment = keyOf(world, '0002-incremental-001.ndjson.zst');
    const garbage = Buffer.from(seededBytes(bytesOf(world, segment).length, 1));
    const { createHash } = await import('node:crypto');
    const sha256 = createHash('sha256').update(garbage).digest('hex');
    const key = keyOf(world, '0002-incremental.manifest.json');
    const lying = manifest(world, '0002-incremental.manifest.json');
    const chunks = lying.chunks.map((chunk) => ({ ...chunk, sha256 }));
    world.destination.objects.set(segment, garbage);
    world.destination.objects.set(key, Buffer.from(writeManifest({ ...lying, chunks })));
    expect(brief(await world.check())).toEqual(['unreadable frame 0002 /changes/@1']);
  });
});

describe('manifests', () => {
  test('that are altered are found, and what follows them', async () => {
    await using world = await stored();
    const key = keyOf(world, '0001-incremental.manifest.json');
    const altered = Buffer.from(bytesOf(world, key));
    altered[20] = (altered[20] ?? 0) ^ 1;
    world.destination.objects.set(key, altered);
    expect(brief(await world.check())).toEqual(['altered manifest 0001 -', 'broken chain 0002 -']);
    world.destination.objects.set(key, Buffer.alloc(0));
    expect(brief(await world.check())).toEqual(['altered manifest 0001 -', 'broken chain 0002 -']);
  });

  test('that are removed or exchanged break the chain', async () => {
    await using world = await stored();
    const [full, one, two] = ['0000-full', '0001-incremental', '0002-incremental'].map((stem) =>
      keyOf(world, `${stem}.manifest.json`),
    );
    if (!full || !one || !two) throw new Error();
    const [a, b, c] = [full, one, two].map((key) => bytesOf(world, key));
    if (!a || !b || !c) throw new Error();
    world.destination.objects.delete(one);
    expect(brief(await world.check())).toEqual(['broken chain 0002 -']);
    world.destination.objects.set(one, c);
    world.destination.objects.set(two, b);
    expect(brief(await world.check())).toEqual(['broken chain 0001 -', 'broken chain 0002 -']);
    world.destination.objects.set(one, b);
    world.destination.objects.set(two, c);
    world.destination.objects.delete(full);
    expect(brief(await world.check())).toEqual(['broken chain 0001 -', 'broken chain 0002 -']);
  });
});

describe('what is checked', () => {
  test('can be paths, backups and chains', async () => {
    await using world = await stored();
    const chain = keyOf(world, '0000-full.manifest.json').split('/')[1] ?? '';
    expect(await world.check('/p.a')).toMatchObject({ chunks: 3, backups: 1 });
    expect(await world.check('/p.%')).toMatchObject({ chunks: 6 });
    expect(await world.check('/p.a/@?')).toMatchObject({ chunks: 3 });
    expect(await world.check(`${chain}/0001`)).toMatchObject({ chunks: 1, backups: 1 });
    expect(await world.check(chain)).toMatchObject({ backups: 3 });
    expect(await world.check(chain, '/p.b')).toMatchObject({ chunks: 3 });
  });

  test('is only read where it was asked for', async () => {
    await using world = await stored();
    world.destination.objects.delete(keyOf(world, '0002-incremental-001.ndjson.zst'));
    expect(brief(await world.check('/p.a'))).toEqual([]);
    expect(brief(await world.check('/changes'))).toEqual(['missing 0002 /changes/@1']);
  });

  test.each(['/p.nothing', '20261120T140000Z-node-z-g9', '20261120T140000Z-node-z-g9/0001'])(
    '%s matches nothing, which is said',
    async (path) => {
      await using world = await stored();
      await expect(world.check(path)).rejects.toMatchObject({ code: 'not_found' });
    },
  );

  test.each(['p.a', 'chain/1', '20261120T140000Z-node-a-g1/0001/x'])('%s is refused', async (path) => {
    await using world = await stored();
    await expect(world.check(path)).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('nothing at all is an error, not a success', async () => {
    await using world = await openWorld();
    await expect(world.check()).rejects.toMatchObject({ code: 'not_found' });
  });
});

test('a place that cannot be read is an error, not a finding', async () => {
  await using world = await stored();
  const { failing } = await import('@holdfast/testing');
  const { clock } = world;
  const o = { clock, workersMax: 1, observer: () => {} };
  for (const script of [{ list: ['unavailable'] }, { read: ['unavailable'] }] as const) {
    const destination = failing(world.destination, script);
    await expect(check({ paths: [] }, { ...o, destination }, { signal: never })).rejects.toMatchObject({
      code: 'unavailable',
    });
  }
});

test('what is large is checked by threads, with the same findings', async () => {
  await using world = await openWorld({ chunkRows: 1 });
  await using destination = new SqliteDestination(world.folder.join('destination.sqlite'));
  world.database.createTable('/p.a', { columns, key: ['id'] });
  world.database.transaction((t) => {
    for (const n of [1, 2, 3, 4]) {
      const noise = Buffer.from(seededBytes(4_000_000, n)).toString('base64');
      t.insert('/p.a', texts(String(n), noise));
    }
  });
  await world.backup({}, { destinations: [destination] });
  const { clock } = world;
  const o = { clock, workersMax: 2, observer: () => {}, destination };
  expect(await check({ paths: [] }, o, { signal: never })).toMatchObject({ findings: [], rows: 4 + 1 });
  const key = destination.objects.list().find((one) => one.key.endsWith('.zst'))?.key ?? '';
  const bytes = Buffer.from(destination.objects.get(key)?.bytes ?? []);
  bytes[bytes.length - 200] = (bytes.at(-200) ?? 0) ^ 4;
  destination.objects.set(key, bytes);
  expect(brief(await check({ paths: [] }, o, { signal: never }))).toEqual([
    expect.stringMatching('^wrong checksum 0000 /p.a/@'),
  ]);
}, 60_000);

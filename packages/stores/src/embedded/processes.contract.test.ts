import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { type ClusterStore, SystemClock } from '@holdfast/core';
import { runMounted, temporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { openEmbeddedStore } from './index.ts';

const script = fileURLToPath(new URL('./counter-child.fixture.ts', import.meta.url));
const { signal } = new AbortController();
const clock = new SystemClock();
const ttlMs = 2_000;

interface Counter {
  readonly child: ChildProcess;
  /** How often it has said that it counted. */
  said(): number;
  readonly ended: Promise<number | null>;
}

function start(path: string, name: string, times: number): Counter {
  const child = spawn(process.execPath, ['--no-warnings', script, path, name, `${times}`, `${ttlMs}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return {
    child,
    said: () => Number(text.trimEnd().split('\n').at(-1)),
    ended: once(child, 'close').then(([code]) => code),
  };
}

/** All that a watch from the beginning sees the counter be, up to a count. */
async function countsUntil(store: ClusterStore, last: string): Promise<string[]> {
  const seen: string[] = [];
  for await (const { puts } of store.watch('counter', { since: 0, signal })) {
    seen.push(...puts.map(({ value }) => value));
    if (seen.at(-1) === last) break;
  }
  return seen;
}

describe('several processes with one file', () => {
  test('that make it at once, count in it at once, and one of which is killed, lose nothing', async () => {
    await using folder = await temporaryFolder('processes');
    const path = folder.join('store');
    const each = 150;
    const [a, b] = [start(path, 'a', each), start(path, 'b', each)];
    const killed = start(path, 'killed', 1_000_000);
    {
      await using store = await openEmbeddedStore({ path, clock }, { signal });
      const watching = countsUntil(store, `${2 * each}`);
      while (!(killed.said() > 25)) await clock.sleep(5, signal);
      killed.child.kill('SIGKILL');
      await killed.ended;
      expect(await Promise.all([a.ended, b.ended])).toEqual([0, 0]);
      const counted = async (name: string): Promise<number> =>
        Number((await store.get(name, { signal }))?.value);
      expect([await counted('by/a'), await counted('by/b')]).toEqual([each, each]);
      // What it was told is there; of one more it may not have heard.
      const byKilled = await counted('by/killed');
      expect([killed.said(), killed.said() + 1]).toContain(byKilled);
      const total = 2 * each + byKilled;
      expect(await counted('counter')).toBe(total);
      expect(await watching).toEqual(Array.from({ length: 2 * each }, (_, index) => `${index + 1}`));
      // The living have said good-bye; the dead one goes by itself.
      const alive = async (): Promise<string[]> =>
        (await store.list('alive/', { signal })).entries.map(({ key }) => key);
      for (let left = await alive(); left.length > 0; left = await alive()) {
        expect(left).toEqual(['alive/killed']);
        await clock.sleep(20, signal);
      }
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    using database = new DatabaseSync(path);
    expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(database.prepare('SELECT count(*) AS count FROM session').get()).toEqual({ count: 0 });
  });
});

test('a full disk is told, and what was acknowledged stays', async () => {
  await using folder = await temporaryFolder('disk');
  const said = await runMounted({
    script: fileURLToPath(new URL('./disk-child.fixture.ts', import.meta.url)),
    folder: folder.path,
    sizeBytes: 4 * 1024 * 1024,
  });
  expect(said).toEqual({
    // Without a disk of its own it is a limit on files, of which SQLite tells only that it could not write.
    refused: expect.stringMatching(/^\[(exhausted|unavailable)\] could not write to the store .*(full|I\/O)/),
    kept: true,
    integrity: 'ok',
  });
});

import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { EmbeddedDatabase, type EmbeddedDatabaseOptions } from './embedded-database.ts';
import { storeError } from './errors.ts';

async function opened(
  o: Omit<EmbeddedDatabaseOptions, 'path'> = {},
): Promise<
  AsyncDisposable & { folder: TemporaryFolder; path: string; a: EmbeddedDatabase; b: EmbeddedDatabase }
> {
  const folder = await temporaryFolder('embedded');
  const path = folder.join('store');
  const [a, b] = [new EmbeddedDatabase({ path, ...o }), new EmbeddedDatabase({ path, ...o })];
  return {
    folder,
    path,
    a,
    b,
    [Symbol.asyncDispose]: async () => {
      for (const database of [a, b]) database[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function put(database: EmbeddedDatabase, key: string, value = 'x'): number {
  return database.transact({ checks: [], puts: [{ key, value }], deletes: [] });
}

describe('the file', () => {
  test('is made for nobody else to read, and so is its log; nothing else is left', async () => {
    await using under = await opened();
    put(under.a, 'k');
    const names = (await readdir(under.folder.path)).sort();
    expect(names).toEqual(['store', 'store-shm', 'store-wal']);
    for (const name of names) expect((await stat(under.folder.join(name))).mode & 0o777).toBe(0o600);
  });

  test('keeps what was stored, and its revisions, when all have closed it', async () => {
    await using under = await opened();
    const revision = put(under.a, 'k');
    for (const database of [under.a, under.b]) database[Symbol.dispose]();
    using again = new EmbeddedDatabase({ path: under.path });
    expect(again.get('k')).toEqual({ key: 'k', value: 'x', revision });
    expect(put(again, 'k')).toBe(revision + 1);
    expect(again.changes('', 0).changes).toHaveLength(2);
  });

  test('that is none of ours is refused, and left alone', async () => {
    await using folder = await temporaryFolder('embedded');
    await writeFile(
      folder.join('text'),
      'not a database, but longer than a header of one hundred bytes: '.repeat(9),
    );
    await writeFile(folder.join('empty'), '');
    await mkdir(folder.join('folder'));
    const foreign = new DatabaseSync(folder.join('foreign'));
    foreign.exec('CREATE TABLE customers (id)');
    foreign.close();
    for (const name of ['text', 'empty', 'folder', 'foreign', 'missing/store']) {
      const opening = (): EmbeddedDatabase => new EmbeddedDatabase({ path: folder.join(name) });
      expect(opening, name).toThrow(
        expect.objectContaining({ code: 'config_invalid', hint: expect.stringMatching(/name|path/) }),
      );
    }
    expect((await readdir(folder.path)).sort()).toEqual(['empty', 'folder', 'foreign', 'text']);
    expect((await stat(folder.join('empty'))).size).toBe(0);
  });

  test('of a newer version is refused', async () => {
    await using under = await opened();
    const newer = new DatabaseSync(under.path);
    newer.exec('PRAGMA user_version = 2');
    newer.close();
    expect(() => new EmbeddedDatabase({ path: under.path })).toThrow(
      expect.objectContaining({ code: 'unsupported', hint: expect.stringContaining('upgrade') }),
    );
  });

  test('that another process keeps locked is unavailable after a while, and a call can be given up before', async () => {
    let asked = 0;
    await using under = await opened({ abandoned: () => ++asked > 4 });
    const holder = new DatabaseSync(under.path);
    holder.exec('BEGIN IMMEDIATE');
    asked = 0;
    expect(() => put(under.a, 'k')).toThrow();
    expect(asked).toBe(5);
    // Readers are not kept waiting.
    asked = 0;
    expect(under.a.get('k')).toBeUndefined();
    holder.exec('ROLLBACK');
    holder.close();
    asked = 0;
    expect(put(under.a, 'k')).toBe(1);
  });
});

describe('changes', () => {
  test('are kept up to a number, in whole transactions', async () => {
    await using under = await opened({ changesMax: 100 });
    const puts = Array.from({ length: 7 }, (_, index) => ({ key: `k/${index}`, value: 'x' }));
    for (let i = 0; i < 100; i += 1) under.a.transact({ checks: [], puts, deletes: [] });
    const kept = [...Array(101).keys()].filter((since) => {
      try {
        const { changes } = under.b.changes('k/', since);
        expect(changes.map(({ revision }) => revision)).toEqual([...Array(101).keys()].slice(since + 1));
        for (const change of changes) expect(change.puts).toHaveLength(7);
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'out_of_range' });
        return false;
      }
    });
    expect(kept[0]).toBeGreaterThan(80);
    expect(kept[0]).toBeLessThan(90);
    expect(kept.at(-1)).toBe(100);
    expect(() => under.b.changes('', 101)).toThrow(expect.objectContaining({ code: 'out_of_range' }));
  });

  test('are kept up to so many bytes, but always the last', async () => {
    await using under = await opened({ changesBytesMax: 10_000 });
    for (let i = 0; i < 50; i += 1) put(under.a, 'k', 'v'.repeat(1_000));
    expect(under.b.changes('', 42).changes).toHaveLength(8);
    expect(() => under.b.changes('', 30)).toThrow(expect.objectContaining({ code: 'out_of_range' }));
    put(under.a, 'k', 'v'.repeat(50_000));
    expect(under.b.changes('', 50).changes).toHaveLength(1);
  });

  test('come in pages that divide no transaction', async () => {
    await using under = await opened();
    const puts = Array.from({ length: 110 }, (_, index) => ({ key: `k/${index}`, value: 'x' }));
    for (let i = 0; i < 25; i += 1) under.a.transact({ checks: [], puts, deletes: [] });
    const revisions: number[] = [];
    let pages = 0;
    for (let since = 0, more = true; more; pages += 1) {
      const page = under.b.changes('k/', since);
      for (const change of page.changes) expect(change.puts).toHaveLength(110);
      revisions.push(...page.changes.map(({ revision }) => revision));
      since = page.through;
      more = page.more;
    }
    expect(pages).toBe(3);
    expect(revisions).toEqual([...Array(26).keys()].slice(1));
  });
});

describe('sessions', () => {
  test('are observed by other connections whenever something was committed', async () => {
    await using under = await opened();
    const { a, b } = under;
    expect(b.observe()).toEqual({ revision: 0, sessions: [] });
    expect(b.observe()).toBeUndefined();
    a.openSession('s', 900);
    expect(b.observe()).toEqual({ revision: 0, sessions: [{ id: 's', ttlMs: 900, beat: 0 }] });
    expect([a.beat('s'), a.beat('s'), a.beat('unknown')]).toEqual([true, true, false]);
    expect(b.observe()?.sessions).toEqual([{ id: 's', ttlMs: 900, beat: 2 }]);
    expect(b.observe()).toBeUndefined();
  });

  test('are ended by others only if the beat still is the one that they saw', async () => {
    await using under = await opened();
    const { a, b } = under;
    a.openSession('s', 900);
    a.transact({ checks: [], puts: [{ key: 'k', value: 'x', session: 's' }], deletes: [] });
    a.beat('s');
    expect(b.endSession('s', 0)).toBeUndefined();
    expect(b.get('k')).toBeDefined();
    expect(b.endSession('s', 1)).toBe(2);
    expect(b.get('k')).toBeUndefined();
    expect(b.changes('', 1).changes).toEqual([{ revision: 2, puts: [], deletes: ['k'] }]);
    expect(a.beat('s')).toBe(false);
    expect(a.endSession('s')).toBeUndefined();
  });
});

test('errors of SQLite and of the system say what an operator can do', () => {
  const sqlite = (errcode: number): Error =>
    Object.assign(new Error('as SQLite says'), { code: 'ERR_SQLITE_ERROR', errcode });
  const codes = [13, 4874, 8, 10, 11, 5, 26].map((errcode) => storeError(sqlite(errcode), 'x').code);
  expect(codes).toEqual([
    'exhausted',
    'exhausted',
    'permission_denied',
    'unavailable',
    'corrupt',
    'unavailable',
    'config_invalid',
  ]);
  const system = (code: string): Error => Object.assign(new Error('as the system says'), { code });
  expect(
    ['EACCES', 'EROFS', 'ENOSPC', 'ENOENT', 'EIO'].map((code) => storeError(system(code), 'x').code),
  ).toEqual(['permission_denied', 'permission_denied', 'exhausted', 'config_invalid', 'unavailable']);
  expect(storeError(new TypeError('a bug'), 'x').code).toBe('internal');
});

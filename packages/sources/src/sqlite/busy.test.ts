import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { collect, folder, MemoryChain, openSource, signal } from './chain.fixture.ts';

const accounts = 2000;

function makeBank(path: string, mode: string): void {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode=${mode}; PRAGMA synchronous=OFF;
    CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, owner TEXT); CREATE TABLE transfer(a, b);
    WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < ${accounts})
      INSERT INTO account SELECT i, 100, hex(zeroblob(200)) FROM g`);
  db.close();
}

/** A writer in another process; `stop` says how many transfers it made. */
async function startWriter(path: string): Promise<{ stop: () => Promise<number> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'bank-writer.fixture.ts'), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  while (!out.includes('begun')) await once(child.stdout, 'data');
  return {
    stop: async () => {
      // Not 'exit': what it has printed may come after that.
      const closed = once(child, 'close');
      child.stdin.end();
      expect((await closed)[0]).toBe(0);
      return Number(out.trim().split('\n').at(-1));
    },
  };
}

function totals(path: string): { sum: number; n: number; moved: number; expected: number } {
  const db = new DatabaseSync(path);
  const row = db
    .prepare(
      `SELECT sum(balance) AS sum, count(*) AS n, (SELECT count(*) FROM transfer) AS moved FROM account`,
    )
    .get() as { sum: number; n: number; moved: number };
  // Each balance is what its transfers say: the rows of both tables are of one moment.
  const { expected } = db
    .prepare(
      `SELECT count(*) AS expected FROM account WHERE balance <> 100
         - (SELECT count(*) FROM transfer WHERE a = id) + (SELECT count(*) FROM transfer WHERE b = id)`,
    )
    .get() as { expected: number };
  db.close();
  return { ...row, expected };
}

for (const mode of ['WAL', 'DELETE']) {
  describe(`a busy database in ${mode} mode`, () => {
    test('is backed up as of one moment, while its writer goes on', { timeout: 60_000 }, async () => {
      using at = folder();
      const path = join(at.path, 'bank.db');
      makeBank(path, mode);
      await using source = await openSource(`sqlite:${path}`);
      await source.prepare({ signal });
      const writer = await startWriter(path);
      const chain = new MemoryChain(source);
      const moved: number[] = [];
      await chain.full({ workers: true });
      for (let i = 0; i < 3; i++) await chain.incremental();
      const image = new MemoryChain(source, 'snapshot');
      await image.full({ label: 'image' });
      await image.incremental();
      expect(await writer.stop()).toBeGreaterThan(5);
      for (const [index, one] of [chain, image].entries()) {
        const copy = join(at.path, `copy${index}.db`);
        await one.restore(`sqlite:${copy}`);
        const result = totals(copy);
        expect(result).toMatchObject({ sum: accounts * 100, n: accounts, expected: 0 });
        moved.push(result.moved);
      }
      expect(Math.min(...moved)).toBeGreaterThan(0);
    });
  });
}

describe('a lock', () => {
  test('is waited for, and then told', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a); INSERT INTO t VALUES(1); BEGIN EXCLUSIVE');
    const open = openSource(`sqlite:${path}?busy_timeout=300`);
    await expect(open).rejects.toMatchObject({
      code: 'timeout',
      hint: expect.stringContaining('busy_timeout'),
    });
    const later = openSource(`sqlite:${path}?busy_timeout=5000`);
    await new Promise((resolve) => setImmediate(resolve));
    db.exec('ROLLBACK');
    await using source = await later;
    const chain = new MemoryChain(source);
    await chain.full();
    expect(chain.links[0]?.chunks[1]?.lines.toString()).toBe('[1,1]\n');
    db.close();
  });
});

describe('reading', () => {
  test('leaves no file behind and changes none, with a WAL and without', async () => {
    for (const mode of ['WAL', 'DELETE']) {
      using at = folder();
      const path = join(at.path, 'a.db');
      makeBank(path, mode);
      await using source = await openSource(`sqlite:${path}`);
      const chain = new MemoryChain(source);
      await chain.full();
      expect(await chain.incremental()).toBe(false);
      await source.inspect({ signal });
      await source.diagnose({ signal });
      expect(readdirSync(at.path)).toEqual(['a.db']);
    }
  });

  test('sees what is committed in the WAL, also what was checkpointed in part', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    makeBank(path, 'WAL');
    const db = new DatabaseSync(path);
    db.exec('PRAGMA wal_autocheckpoint=0; UPDATE account SET balance = 1 WHERE id < 500');
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT * FROM account');
    db.exec('UPDATE account SET balance = 2 WHERE id > 1500; PRAGMA wal_checkpoint(PASSIVE)');
    db.exec('UPDATE account SET balance = 3 WHERE id = 1000');
    expect(existsSync(`${path}-wal`)).toBe(true);
    await using source = await openSource(`sqlite:${path}`);
    const chain = new MemoryChain(source);
    await chain.full({ workers: true });
    reader.close();
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    // Empty WAL, everything copied back.
    const other = new MemoryChain(source);
    await other.full();
    const rows = (one: MemoryChain): string[] =>
      one.links[0]?.chunks.map(({ lines }) => lines.toString()) ?? [];
    expect(rows(chain)).toEqual(rows(other));
    expect(rows(chain)[1]).toContain('[1000,3,');
    db.close();
  });

  test('an unchanged database is known without reading it; a changed one never is', async () => {
    for (const mode of ['WAL', 'DELETE']) {
      using at = folder();
      const path = join(at.path, 'a.db');
      makeBank(path, mode);
      await using source = await openSource(`sqlite:${path}`);
      const keeper = new DatabaseSync(path);
      keeper.exec('UPDATE account SET balance = 0 WHERE id = 1');
      const chain = new MemoryChain(source);
      await chain.full();
      await using view = await source.openIncremental({
        since: chain.mark,
        state: chain.state,
        label: 'x',
        signal,
      });
      const settled = await view.settle({ signal });
      expect([settled.changed, settled.view.chunks]).toEqual([false, []]);
      await view[Symbol.asyncDispose]();
      // No page but one changes, and neither does the size.
      keeper.exec('UPDATE account SET balance = 1 WHERE id = 1');
      expect(await chain.incremental()).toBe(true);
      expect(chain.links[1]?.chunks.map(({ header }) => header.chunk)).toEqual(['/main.account']);
      keeper.close();
      const second = new DatabaseSync(path);
      second.exec('UPDATE account SET balance = 2 WHERE id = 1');
      second.close();
      expect(await chain.incremental()).toBe(true);
    }
  });
});

describe('a large database without a WAL', () => {
  test('is copied first, so that its writers wait only for that; unchanged, it is not even copied', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path, { timeout: 0 });
    db.exec(`PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE small(a); INSERT INTO small VALUES(1);
      WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 70) INSERT INTO t SELECT i, zeroblob(1000000) FROM g`);
    await using source = await openSource(`sqlite:${path}`);
    const copies = (): number =>
      readdirSync(tmpdir()).filter((name) => /^holdfast-[0-9a-f]{16}\.db/.test(name)).length;
    const before = copies();
    await using view = await source.openFull({ type: 'logical', keepChanges: true, label: 'x', signal });
    expect(view.notices.join()).toContain('copied first');
    expect(copies()).toBe(before);
    db.exec('INSERT INTO small VALUES(2)');
    const plan = view.chunks.find((chunk) => chunk.path === '/main.small');
    if (!plan) throw new Error('no chunk');
    expect((await collect(view.read(plan, { signal }))).toString()).toBe('[1,1]\n');
    await using again = await source.openFull({ type: 'logical', keepChanges: true, label: 'x', signal });
    await using changes = await source.openIncremental({
      since: again.mark,
      state: again.state,
      label: 'x',
      signal,
    });
    const settled = await changes.settle({ signal });
    expect([settled.changed, settled.view.notices]).toEqual([false, []]);
    db.close();
  });
});

describe('other connections of this process', () => {
  test('keep their locks while and after a backup reads', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    makeBank(path, 'WAL');
    const own = new DatabaseSync(path);
    own.exec('UPDATE account SET balance = 1 WHERE id = 1; BEGIN; SELECT * FROM account LIMIT 1');
    await using source = await openSource(`sqlite:${path}`);
    await new MemoryChain(source).full();
    // The last connection to close removes the WAL: another process must see that it is not the last.
    const script = `const db = new (require('node:sqlite').DatabaseSync)(${JSON.stringify(path)}); db.exec('SELECT * FROM account'); db.close()`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
    await once(child, 'exit');
    expect(existsSync(`${path}-shm`)).toBe(true);
    own.close();
  });
});

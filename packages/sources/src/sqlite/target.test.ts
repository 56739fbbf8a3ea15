import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { OpenTarget, RestoreTarget, SchemaStatement, Sig } from '@holdfast/core';
import { compareDatabases } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { folder, MemoryChain, openSource, signal } from './chain.fixture.ts';

const open: OpenTarget & Sig = {
  from: { type: 'sqlite', identity: 'x', name: 'x', version: '3' },
  id: 'one',
  noOwner: false,
  startTimeoutMs: 0,
  type: 'logical',
  signal,
};

async function targetOf(path: string, more: Partial<OpenTarget> = {}): Promise<RestoreTarget> {
  return (await openSource(`sqlite:${path}`)).openTarget({ ...open, ...more });
}

const schema: SchemaStatement[] = [
  { section: 'pre-data', type: 'TABLE', name: 'main.t', text: 'CREATE TABLE t(a)' },
];

describe('a restore', () => {
  test('is refused where something is, and leaves it as it is', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE precious(a)');
    db.close();
    const before = readFileSync(path);
    await using target = await targetOf(path);
    expect(target.problems).toMatchObject([{ code: 'precondition_failed', ok: false }]);
    await expect(target.create(schema, { signal })).rejects.toThrow('is not an empty database');
    await target[Symbol.asyncDispose]();
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(at.path)).toEqual(['a.db']);
  });

  test.each(['-wal', '-shm', '-journal'])(
    'is refused where a %s file waits for a new database',
    async (suffix) => {
      using at = folder();
      writeFileSync(join(at.path, `a.db${suffix}`), 'old');
      await using target = await targetOf(join(at.path, 'a.db'));
      expect(target.problems[0]?.message).toContain(`a.db${suffix} exists`);
    },
  );

  test('is refused for a folder, and for a backup of another kind of database', async () => {
    using at = folder();
    await expect(targetOf(at.path)).rejects.toThrow('is a folder');
    await using foreign = await targetOf(join(at.path, 'a.db'), { from: { ...open.from, type: 'postgres' } });
    expect(foreign.problems[0]).toMatchObject({ code: 'unsupported' });
  });

  test('may fill an empty file, or an empty database', async () => {
    for (const make of ['', 'PRAGMA user_version=1; CREATE TABLE x(a); DROP TABLE x']) {
      using at = folder();
      const source = join(at.path, 's.db');
      const path = join(at.path, 'a.db');
      const db = new DatabaseSync(source);
      db.exec('CREATE TABLE t(a); INSERT INTO t VALUES(1)');
      db.close();
      writeFileSync(path, '');
      const empty = new DatabaseSync(path);
      empty.exec(make);
      empty.close();
      const chain = new MemoryChain(await openSource(`sqlite:${source}`));
      await chain.full();
      await chain.restore(`sqlite:${path}`);
      expect(compareDatabases(source, path)).toEqual([]);
    }
  });

  test('leaves nothing behind when it is given up, not even folders it made', async () => {
    using at = folder();
    const path = join(at.path, 'deep', 'er', 'a.db');
    {
      await using target = await targetOf(path);
      expect(readdirSync(at.path)).toEqual([]);
      await target.create(schema, { signal });
      expect(readdirSync(join(at.path, 'deep', 'er')).length).toBeGreaterThan(1);
      expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
    }
    expect(readdirSync(at.path)).toEqual([]);
  });

  test('keeps a second one into the same place out, and clears away what a dead one left', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    writeFileSync(join(at.path, '.a.db.holdfast-dead'), 'litter');
    await using first = await targetOf(path);
    await first.create(schema, { signal });
    expect(readdirSync(at.path)).not.toContain('.a.db.holdfast-dead');
    await using second = await targetOf(path, { id: 'two' });
    await expect(second.create(schema, { signal })).rejects.toThrow('another restore into');
    await first.finish({ signal, progress: () => {} });
    await first.publish({ signal });
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    expect(readdirSync(at.path)).toEqual(['a.db']);
  });

  test('does not overwrite a database that appears meanwhile', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    await using target = await targetOf(path);
    await target.create(schema, { signal });
    await target.finish({ signal, progress: () => {} });
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE precious(a)');
    db.close();
    await expect(target.publish({ signal })).rejects.toThrow('is not an empty database');
    const after = new DatabaseSync(path);
    expect(after.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'precious' }]);
    after.close();
  });

  test('says before it begins what this SQLite lacks', async () => {
    using at = folder();
    await using target = await targetOf(join(at.path, 'a.db'));
    const check = (text: string, type = 'TABLE'): Promise<readonly { message: string }[]> =>
      target.check(
        [...schema, { section: type === 'TABLE' ? 'pre-data' : 'post-data', type, name: 'main.x', text }],
        {
          signal,
        },
      );
    expect(await check('CREATE TABLE x(a)')).toEqual([]);
    expect((await check('CREATE INDEX x ON t(my_function(a))', 'INDEX'))[0]?.message).toContain(
      'my_function',
    );
    expect((await check('CREATE INDEX x ON t(a COLLATE german)', 'INDEX'))[0]?.message).toContain('german');
    expect((await check('CREATE TABLE x(a COLLATE german UNIQUE)'))[0]?.message).toContain('german');
    expect(readdirSync(at.path)).toEqual([]);
  });

  test('of an image needs no collation or function of the application', async () => {
    using at = folder();
    const source = join(at.path, 's.db');
    const db = new DatabaseSync(source, { defensive: false });
    db.function('mine', { deterministic: true }, (value) => Number(value) + 1);
    db.exec(`CREATE TABLE t(a, b); CREATE INDEX i ON t(mine(a)); INSERT INTO t VALUES(1, 'x'); CREATE INDEX c ON t(b);
      PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX c ON t(b COLLATE german)' WHERE name = 'c'`);
    db.close();
    const from = await openSource(`sqlite:${source}`);
    const logical = new MemoryChain(from);
    await logical.full();
    await expect(logical.restore(`sqlite:${join(at.path, 'a.db')}`)).rejects.toThrow('mine');
    const image = new MemoryChain(from, 'snapshot');
    await image.full();
    await image.restore(`sqlite:${join(at.path, 'b.db')}`);
    expect(readFileSync(join(at.path, 'b.db')).subarray(4096)).toEqual(readFileSync(source).subarray(4096));
    const found = (await from.diagnose({ signal })).filter((one) => one.severity === 'error');
    expect(found).toEqual([]);
  });

  test('of a damaged image fails, and publishes nothing', async () => {
    using at = folder();
    const source = join(at.path, 's.db');
    const db = new DatabaseSync(source);
    db.exec(`CREATE TABLE t(a); CREATE INDEX i ON t(a);
      WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM g WHERE i < 3000) INSERT INTO t SELECT i FROM g`);
    db.close();
    const chain = new MemoryChain(await openSource(`sqlite:${source}`), 'snapshot');
    await chain.full();
    chain.image?.fill(0xee, 20_000, 22_000);
    await expect(chain.restore(`sqlite:${join(at.path, 'a.db')}`)).rejects.toMatchObject({ code: 'corrupt' });
    chain.image = chain.image?.subarray(0, 9000);
    await expect(chain.restore(`sqlite:${join(at.path, 'a.db')}`)).rejects.toThrow('ends in the middle');
    expect(readdirSync(at.path)).toEqual(['s.db']);
  });
});

describe('a source', () => {
  test('without bytes is refused, whenever they went; one that is empty on purpose is not', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    writeFileSync(path, '');
    const refusal = { code: 'precondition_failed', message: expect.stringContaining('has no bytes') };
    const source = await openSource(`sqlite:${path}`);
    expect((await source.inspect({ signal })).unmetForFull).toMatchObject([refusal]);
    expect((await source.diagnose({ signal })).filter(({ severity }) => severity === 'error')).toMatchObject([
      refusal,
    ]);
    await expect(new MemoryChain(source).full()).rejects.toMatchObject(refusal);
    const db = new DatabaseSync(path);
    db.exec('VACUUM');
    db.close();
    expect((await source.inspect({ signal })).unmetForFull).toEqual([]);
    const chain = new MemoryChain(source);
    await chain.full();
    writeFileSync(path, '');
    await expect(chain.incremental()).rejects.toMatchObject(refusal);
    expect(statSync(path).size).toBe(0);
  });

  test('that is missing, a folder, no database, damaged or encrypted is told clearly, and never created', async () => {
    using at = folder();
    const missing = await openSource(`sqlite:${join(at.path, 'none.db')}`);
    await expect(missing.inspect({ signal })).rejects.toMatchObject({ code: 'not_found' });
    await expect(new MemoryChain(missing).full()).rejects.toMatchObject({ code: 'not_found' });
    await expect(missing.prepare({ signal })).rejects.toMatchObject({ code: 'not_found' });
    expect(readdirSync(at.path)).toEqual([]);
    mkdirSync(join(at.path, 'dir'));
    await expect(openSource(`sqlite:${join(at.path, 'dir')}`)).rejects.toMatchObject({
      code: 'config_invalid',
    });
    writeFileSync(join(at.path, 'text.db'), 'hello '.repeat(1000));
    await expect(openSource(`sqlite:${join(at.path, 'text.db')}`)).rejects.toMatchObject({
      code: 'corrupt',
      hint: expect.stringContaining('encrypted'),
    });
    const broken = new DatabaseSync(join(at.path, 'broken.db'));
    broken.exec('CREATE TABLE t(a); INSERT INTO t VALUES(1)');
    broken.close();
    const bytes = readFileSync(join(at.path, 'broken.db'));
    bytes.fill(0x55, 100, 600);
    writeFileSync(join(at.path, 'broken.db'), bytes);
    await expect(openSource(`sqlite:${join(at.path, 'broken.db')}`)).rejects.toMatchObject({
      code: 'corrupt',
    });
  });
});

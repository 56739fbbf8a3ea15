import { readdir, readFile, rm } from 'node:fs/promises';
import { SystemClock } from '@holdfast/core';
import { FakeClock, MemoryDestination, SqliteDestination, temporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { startLockChild } from './crash.fixture.ts';
import { openArea } from './staging.fixture.ts';
import { StagingArea } from './staging-area.ts';

describe('the lock of a task', { timeout: 60_000 }, () => {
  test('a second run is told of the process that has it, and since when', async () => {
    await using under = await openArea({ clock: new FakeClock({ startMs: Date.UTC(2026, 10, 20, 14) }) });
    const place = new MemoryDestination();
    await using _held = await under.area.lock('shop', [place]);
    await expect(under.area.lock('shop', [place])).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(`process ${process.pid} since 2026-11-20T14:00:00.000Z`),
      hint: expect.stringContaining(`kill ${process.pid}`),
    });
  });

  test('it is free again after it was disposed', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    for (let i = 0; i < 3; i += 1) await (await under.area.lock('shop', [place]))[Symbol.asyncDispose]();
  });

  test('other tasks, and other sets of destinations, have locks of their own; order does not matter', async () => {
    await using under = await openArea();
    const [a, b] = [new MemoryDestination(), new MemoryDestination()];
    await using _ab = await under.area.lock('shop', [a, b]);
    await using _a = await under.area.lock('shop', [a]);
    await using _other = await under.area.lock('other', [a, b]);
    await expect(under.area.lock('shop', [b, a])).rejects.toMatchObject({ code: 'conflict' });
  });

  test('a killed process frees it at once, with nobody to clean up', async () => {
    await using folder = await temporaryFolder('lock');
    const staging = folder.join('staging');
    const objects = folder.join('objects');
    await using place = new SqliteDestination(objects);
    const area = new StagingArea({ directory: staging, clock: new FakeClock() });
    await using child = await startLockChild([staging, 'shop', objects]);
    expect(child.answer).toBe('locked');
    await expect(area.lock('shop', [place])).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`process ${child.pid} since`),
    });
    await child.kill();
    await using _lock = await area.lock('shop', [place]);
  });

  test('of several processes that race for it exactly one gets it', async () => {
    await using folder = await temporaryFolder('lock');
    const args = [folder.join('staging'), 'shop', folder.join('objects')];
    await using stack = new AsyncDisposableStack();
    const children = await Promise.all([1, 2, 3, 4].map(() => startLockChild(args)));
    for (const child of children) stack.use(child);
    const answers = children.map(({ answer }) => answer);
    expect(answers.filter((answer) => answer === 'locked')).toHaveLength(1);
    expect(answers.filter((answer) => answer.startsWith('[conflict]'))).toHaveLength(3);
  });

  test('without the note of its holder it still holds', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using _held = await under.area.lock('shop', [place]);
    for (const name of await readdir(under.folder.join('.locks'))) {
      if (name.endsWith('.holder')) await rm(under.folder.join('.locks', name));
    }
    await expect(under.area.lock('shop', [place])).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another process'),
    });
  });
});

describe('known destinations', () => {
  test('are remembered, replaced and forgotten, by other areas of the same root too', async () => {
    await using under = await openArea();
    const other = new StagingArea({ directory: under.folder.path, clock: new SystemClock() });
    const known = under.area.knownDestinations;
    expect(await known.get('file:/a')).toBeUndefined();
    await known.remember('file:/a', 'one');
    await Promise.all([
      known.remember('file:/b', 'two'),
      other.knownDestinations.remember('file:/c', 'three'),
    ]);
    expect(await other.knownDestinations.get('file:/a')).toBe('one');
    expect(await known.get('file:/b')).toBe('two');
    expect(await known.get('file:/c')).toBe('three');
    await known.remember('file:/a', 'four');
    await other.knownDestinations.forget('file:/b');
    const text = await readFile(under.folder.join('known-destinations.json'), 'utf8');
    expect(JSON.parse(text)).toEqual({ 'file:/a': 'four', 'file:/c': 'three' });
  });
});

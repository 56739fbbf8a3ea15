import type {
  ChunkHeader,
  ChunkLoader,
  OpenTarget,
  RestoreTarget,
  SchemaStatement,
  Source,
  SourceWorkerModule,
} from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import type { OpenSource, SourceHarness } from './source.ts';
import { never, openReader, type Rows, readChunk, readRows } from './source-reading.ts';

const signal = never;

interface Backup {
  readonly open: OpenTarget;
  readonly schema: readonly SchemaStatement[];
  readonly rows: Rows;
  readonly special: readonly { readonly path: string; readonly text: string }[];
}

async function backupOf(source: Source): Promise<Backup> {
  await using view = await source.openFull({
    type: 'logical',
    keepChanges: false,
    label: 'contract_full',
    signal,
  });
  await using reader = await openReader(view);
  const schema: SchemaStatement[] = [];
  const special: { path: string; text: string }[] = [];
  for (const plan of view.chunks.filter(({ kind }) => kind === 'schema' || kind === 'special')) {
    const lines = await readChunk(plan.local ? view : reader, plan);
    if (plan.kind === 'special')
      special.push({ path: plan.path, text: lines.map((line) => `${line}\n`).join('') });
    else
      for (const line of lines) {
        const [section, type, name, text] = JSON.parse(line) as [
          SchemaStatement['section'],
          string,
          string,
          string,
        ];
        schema.push({ section, type, name, text });
      }
  }
  const open = {
    from: view.source,
    id: 'c0ffee0001',
    noOwner: false,
    startTimeoutMs: 200,
    type: 'logical',
  } as const;
  return { open, schema, rows: await readRows(view), special };
}

async function shop(open: OpenSource): Promise<SourceHarness> {
  const harness = await open();
  await harness.execute(
    'CREATE TABLE t (id integer PRIMARY KEY, name text)',
    'CREATE TABLE none (id integer PRIMARY KEY, name text)',
  );
  await harness.execute("INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'é \"\\ 😀'), (4, ''), (5, 'five')");
  return harness;
}

async function openLoader(target: RestoreTarget): Promise<ChunkLoader> {
  const token = structuredClone(target.token);
  const module = (await import(token.module)) as SourceWorkerModule;
  return module.openLoader(token.data, { signal });
}

/** Lines cut at every third byte, in a buffer that is used again. */
async function* blocksOf(lines: readonly string[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  const buffer = Buffer.alloc(3);
  for (let at = 0; at < bytes.length; at += 3) yield buffer.subarray(0, bytes.copy(buffer, 0, at, at + 3));
}

function headerOf(rows: Rows, path: string): ChunkHeader {
  return { chunk: path, kind: 'rows', columns: rows.get(path)?.columns ?? [] };
}

async function load(target: RestoreTarget, backup: Backup): Promise<void> {
  await target.create(backup.schema, { signal });
  await using loader = await openLoader(target);
  for (const [path, { lines }] of backup.rows) {
    const answer = await loader.load(headerOf(backup.rows, path), blocksOf(lines), {
      signal,
      id: `0${path}`,
    });
    expect(answer.rows, path).toBe(lines.length);
  }
  for (const { path, text } of backup.special) {
    const blocks = (async function* () {
      yield Buffer.from(text);
    })();
    await target.loadSpecial(path, blocks, { signal });
  }
}

const finishing = { signal, progress: () => {} };

/** A restore target is untouched until `create`, and gone without a trace when it is disposed before `publish`. */
export function describeTargets(open: OpenSource): void {
  describe('a restore target', () => {
    test('holds, when it is published and not before, the rows that were loaded', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      {
        await using target = await place.source.openTarget({ ...backup.open, signal });
        expect(target.problems.filter(({ ok, severity }) => !ok && severity === 'error')).toEqual([]);
        expect((await target.check(backup.schema, { signal })).filter(({ ok }) => !ok)).toEqual([]);
        expect(await place.traces()).toEqual([]);
        await load(target, backup);
        expect(await place.rows('t')).toBeUndefined();
        await target.finish(finishing);
        expect(await place.rows('t')).toBeUndefined();
        await target.publish({ signal });
      }
      expect([...((await place.rows('t')) ?? [])].sort()).toEqual([...(await harness.rows('t'))].sort());
      expect(await place.rows('none')).toEqual([]);
    });

    test('reads back, before it is published, the very texts that were loaded', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      await using target = await place.source.openTarget({ ...backup.open, signal });
      await load(target, backup);
      await target.finish(finishing);
      await using reader = await openReader(target);
      const lines: string[] = [];
      for (const plan of (await target.readBack({ signal })).filter(({ kind }) => kind === 'rows'))
        lines.push(...(await readChunk(reader, structuredClone(plan))));
      expect(lines.sort()).toEqual([...(backup.rows.get(harness.path('t'))?.lines ?? [])].sort());
    });

    test.each(['opened', 'created', 'loaded', 'finished'] as const)(
      'that is let go when it is %s leaves no trace',
      async (when) => {
        await using harness = await shop(open);
        const backup = await backupOf(harness.source);
        await using place = await harness.place();
        {
          await using target = await place.source.openTarget({ ...backup.open, signal });
          if (when === 'created') await target.create(backup.schema, { signal });
          if (when === 'loaded' || when === 'finished') await load(target, backup);
          if (when === 'finished') await target.finish(finishing);
        }
        expect(await place.traces()).toEqual([]);
        // And nothing of it is in the way of another one.
        await using target = await place.source.openTarget({ ...backup.open, signal });
        await load(target, backup);
        await target.finish(finishing);
        await target.publish({ signal });
        expect(await place.rows('t')).toHaveLength(5);
      },
    );

    test('takes a load whole or not at all', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      await using target = await place.source.openTarget({ ...backup.open, signal });
      await target.create(backup.schema, { signal });
      const path = harness.path('t');
      const lines = backup.rows.get(path)?.lines ?? [];
      const failure = new Error('the chunk is damaged');
      const broken = (async function* () {
        yield* blocksOf(lines);
        throw failure;
      })();
      const loader = await openLoader(target);
      await expect(
        loader.load(headerOf(backup.rows, path), broken, { signal, id: 'first' }),
      ).rejects.toThrow();
      // The same loader goes on: the rows that came before the failure are not there.
      const second = await loader.load(headerOf(backup.rows, path), blocksOf(lines), {
        signal,
        id: 'second',
      });
      expect(second.rows).toBe(lines.length);
      await loader[Symbol.asyncDispose]();
      await target.finish(finishing);
      await target.publish({ signal });
      expect(await place.rows('t')).toHaveLength(5);
    });

    test('takes a relation in several loads, through several loaders', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      await using target = await place.source.openTarget({ ...backup.open, signal });
      await target.create(backup.schema, { signal });
      const path = harness.path('t');
      const lines = backup.rows.get(path)?.lines ?? [];
      const one = await openLoader(target);
      const two = await openLoader(target);
      const header = headerOf(backup.rows, path);
      // Rows that only changes brought come with names of columns alone.
      const bare = { ...header, columns: header.columns.map(({ name }) => ({ name, type: '' })) };
      const loads = [
        one.load(header, blocksOf(lines.slice(0, 2)), { signal, id: 'a' }),
        two.load(bare, blocksOf(lines.slice(2)), { signal, id: 'b' }),
      ];
      expect((await Promise.all(loads)).map(({ rows }) => rows)).toEqual([2, 3]);
      await one[Symbol.asyncDispose]();
      await two[Symbol.asyncDispose]();
      await target.finish(finishing);
      await target.publish({ signal });
      expect([...((await place.rows('t')) ?? [])].sort()).toEqual([...(await harness.rows('t'))].sort());
    });

    test('says what is in the way, and touches nothing of it', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      await place.occupy();
      const before = await place.traces();
      {
        await using target = await place.source.openTarget({ ...backup.open, signal });
        const problems = target.problems.filter(({ ok, severity }) => !ok && severity === 'error');
        expect(problems.length).toBeGreaterThan(0);
      }
      expect(await place.traces()).toEqual(before);
    });

    test('refuses a second restore at the same time', async () => {
      await using harness = await shop(open);
      const backup = await backupOf(harness.source);
      await using place = await harness.place();
      await using first = await place.source.openTarget({ ...backup.open, signal });
      await first.create(backup.schema, { signal });
      const second = async (): Promise<void> => {
        await using target = await place.source.openTarget({ ...backup.open, id: 'c0ffee0002', signal });
        await target.create(backup.schema, { signal });
      };
      await expect(second()).rejects.toMatchObject({ code: 'conflict' });
    });
  });
}

import { describe, expect, test } from 'vitest';
import type { OpenSource } from './source.ts';
import { codeOf, never } from './source-reading.ts';

const signal = never;

/** What a source says of itself, and what it makes and removes for Holdfast. */
export function describeHandles(open: OpenSource): void {
  describe('a source', () => {
    test('has one identity, whatever the handle, and no other database has it', async () => {
      await using one = await open();
      await using other = await open();
      await using again = await one.open();
      const info = await one.source.inspect({ signal });
      expect(await again.inspect({ signal })).toMatchObject({
        type: info.type,
        identity: info.identity,
        name: info.name,
      });
      expect((await other.source.inspect({ signal })).identity).not.toBe(info.identity);
      expect(info.type).toBe(one.source.type);
      await one.execute(
        'CREATE TABLE t (id integer PRIMARY KEY, name text)',
        "INSERT INTO t VALUES (1, 'a')",
      );
      expect((await one.source.inspect({ signal })).identity).toBe(info.identity);
    });

    test('counts its tables, and needs nothing more for incrementals once it is prepared', async () => {
      await using harness = await open();
      await harness.execute(
        'CREATE TABLE t (id integer PRIMARY KEY, name text)',
        'CREATE TABLE u (name text)',
      );
      await harness.source.prepare({ signal });
      expect(await harness.source.inspect({ signal })).toMatchObject({
        tables: 2,
        unmetForFull: [],
        unmetForIncremental: [],
      });
    });

    test('is looked at without leaving a trace', async () => {
      await using harness = await open();
      const before = await harness.traces();
      await harness.source.inspect({ signal });
      const findings = await harness.source.diagnose({ signal });
      expect(findings.length).toBeGreaterThan(0);
      expect(findings.filter(({ ok, severity }) => !ok && severity === 'error')).toEqual([]);
      expect(await harness.traces()).toEqual(before);
    });

    test('forgets everything that Holdfast made, and can be prepared again', async () => {
      await using harness = await open();
      await harness.execute('CREATE TABLE t (id integer PRIMARY KEY, name text)');
      await harness.source.prepare({ signal });
      await using view = await harness.source.openFull({
        type: 'logical',
        keepChanges: true,
        label: 'contract_a',
        signal,
      });
      await view[Symbol.asyncDispose]();
      expect((await harness.traces()).length).toBeGreaterThan(0);
      expect((await harness.source.forget({ signal })).length).toBeGreaterThan(0);
      expect(await harness.traces()).toEqual([]);
      expect(await harness.source.forget({ signal })).toEqual([]);
      await harness.source.prepare({ signal });
      expect((await harness.source.inspect({ signal })).unmetForIncremental).toEqual([]);
    });

    test('with a signal that is aborted already, does nothing', async () => {
      await using harness = await open();
      const before = await harness.traces();
      const o = { signal: AbortSignal.abort() };
      const { source } = harness;
      expect(await codeOf(source.inspect(o))).toBe('cancelled');
      const full = { ...o, type: 'logical', keepChanges: true, label: 'contract_a' } as const;
      expect(await codeOf(source.openFull(full))).toBe('cancelled');
      expect(await codeOf(source.forgetChanges({ ...o, label: 'contract_a' }))).toBe('cancelled');
      expect(await harness.traces()).toEqual(before);
    });
  });
}

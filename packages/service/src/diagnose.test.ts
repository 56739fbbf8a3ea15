import { type Destination, HoldfastError, SystemClock } from '@holdfast/core';
import { failing, MemoryDestination, type Script } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { diagnose, diagnoseDestination, findDeclaredPlace } from './diagnose.ts';

const o = { signal: new AbortController().signal, clock: new SystemClock() };

async function examine(script: Script) {
  const place = new MemoryDestination();
  const findings = await diagnoseDestination(failing(place, script), o);
  const left = await Array.fromAsync(place.list('', o));
  return { findings, last: findings.at(-1), left };
}

/** The same place for those who have other rights. */
function withFeatures(place: Destination, features: Partial<Destination['features']>): Destination {
  return new Proxy(place, {
    get: (target, name) => {
      if (name === 'features') return { ...target.features, ...features };
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('looking at a destination', () => {
  it('proves each step, and leaves nothing behind', async () => {
    const { findings, left } = await examine({});
    expect(findings.map((finding) => [finding.check, finding.ok])).toEqual([
      ['writable', true],
      ['store an object', true],
      ['refuse to overwrite it', true],
      ['look at it', true],
      ['read it back', true],
      ['read a range of it', true],
      ['list it', true],
      ['store 8 MiB', true],
      ['break off a write', true],
      ['store for quick reading', true],
      ['delete it', true],
    ]);
    expect(findings.every(({ tookMs }) => tookMs !== undefined && tookMs >= 0)).toBe(true);
    expect(left).toEqual([]);
  });

  it.each([
    ['a place that refuses', { prepare: ['permission_denied'] }, 'writable', 'permission_denied'],
    ['a full disk', { write: ['exhausted'] }, 'store an object', 'exhausted'],
    ['half an object', { write: ['short'] }, 'look at it', 'corrupt'],
    ['half of the bytes', { read: ['short'] }, 'read it back', 'corrupt'],
    ['half of a range', { read: ['ok', 'short'] }, 'read a range of it', 'corrupt'],
    ['an object that is not listed', { list: ['short'] }, 'list it', 'precondition_failed'],
    ['a place that gives up', { write: ['ok', 'conflict', 'unavailable'] }, 'store 8 MiB', 'unavailable'],
    ['a place that cannot delete', { delete: ['unavailable', 'ok'] }, 'delete it', 'unavailable'],
  ] as const)('stops at %s', async (_what, script, check, code) => {
    const { last, left } = await examine(script);
    expect(last).toMatchObject({ check, ok: false, severity: 'error', code });
    expect(left).toEqual([]);
  });

  it.each([
    [{ list: ['permission_denied'] }, 'list it', 'backups cannot be found again'],
    [{ read: ['permission_denied'] }, 'read it back', 'cannot be verified, checked or restored'],
    [{ stat: ['permission_denied'] }, 'look at it', 'cannot be verified'],
    [{ delete: ['permission_denied'] }, 'delete it', 'retention cannot be done'],
  ] as const)('warns of credentials to which %j is said, and goes on', async (script, check, consequence) => {
    const { findings } = await examine(script);
    const finding = findings.find((one) => one.check === check);
    expect(finding).toMatchObject({ ok: false, severity: 'warning' });
    expect(finding?.message).toContain(consequence);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(findings.map((one) => one.check)).toContain('store for quick reading');
  });

  it('names what could not be removed', async () => {
    const { last, left } = await examine({ delete: Array(12).fill('permission_denied') });
    expect(last).toMatchObject({ check: 'clean up', severity: 'warning' });
    expect(left.length).toBeGreaterThan(0);
    for (const { key } of left) expect(last?.message).toContain(key);
  });

  it('does not read where the credentials may not, and says what that means', async () => {
    const place = failing(new MemoryDestination(), {});
    const findings = await diagnoseDestination(withFeatures(place, { writeOnly: true }), o);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(findings.filter(({ message }) => message.startsWith('not tried'))).toHaveLength(4);
    expect(place.calls.filter((call) => /^(?:read|stat|list)/.test(call))).toEqual([]);
  });

  it('tells a place that decides itself from one that Holdfast looks at first', async () => {
    const said = async (conditionalWrite: boolean): Promise<string | undefined> =>
      (await diagnoseDestination(withFeatures(new MemoryDestination(), { conditionalWrite }), o)).find(
        ({ check }) => check === 'refuse to overwrite it',
      )?.message;
    expect(await said(true)).toContain('by the place itself');
    expect(await said(false)).toContain('no conditional writes');
  });

  it('removes what it stored when it is stopped, and names what it could not', async () => {
    for (const [deletes, left] of [
      [['ok'], 0],
      [Array(12).fill('unavailable'), 1],
    ] as const) {
      const stop = new AbortController();
      const place = new MemoryDestination();
      const hanging = failing(place, { list: ['hang'], delete: deletes });
      const findings = diagnoseDestination(hanging, { ...o, signal: stop.signal });
      await expect.poll(() => hanging.calls.some((call) => call.startsWith('list'))).toBe(true);
      stop.abort(new HoldfastError('cancelled', 'stopped by SIGINT'));
      await expect(findings).rejects.toMatchObject({
        code: 'cancelled',
        reason: expect.stringMatching(
          left === 0 ? /^stopped by SIGINT$/ : /could not be removed.*holdfast-doctor/,
        ),
      });
      expect(await Array.fromAsync(place.list('', o))).toHaveLength(left);
    }
  });

  it('takes a place that cannot be opened for a finding, and an unknown scheme for an error', async () => {
    expect(await diagnose('file://elsewhere/backups', o)).toMatchObject([{ check: 'open', ok: false }]);
    await expect(diagnose('nosuch:x', o)).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

describe('what is declared', () => {
  const text = `sources: { a: { type: sqlite, path: /a.db }, b: { type: sqlite, path: /b.db } }
destinations: { a: { type: folder, path: /a, verify: full }, far: { type: folder, path: /far } }`;
  const find = (name: string) => findDeclaredPlace([{ name: 'o.yaml', text }], name);

  it('is found by its name', async () => {
    expect(await find('far')).toEqual({ role: 'destination', address: 'file:/far' });
    expect(await find('b')).toEqual({ role: 'source', address: 'sqlite:/b.db' });
    expect(await find('destinations.a')).toEqual({
      role: 'destination',
      address: { url: 'file:/a', verify: 'full' },
    });
  });

  it.each([
    ['a', 'a is the name of a source and of a destination'],
    ['fra', 'the files declare no source and no destination "fra"; did you mean far?'],
    ['sources.far', 'the files declare no source and no destination "sources.far"'],
  ])('is not found by %s', async (name, reason) => {
    await expect(find(name)).rejects.toMatchObject({
      code: 'config_invalid',
      reason: expect.stringContaining(reason),
    });
  });
});

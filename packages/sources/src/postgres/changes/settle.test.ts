import type { ChunkPlan } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Sighting } from './decode.ts';
import { isAltered, type TableFacts } from './fingerprint.ts';
import { needsView, whatDiffers } from './settle.ts';
import type { ChangeState, TableMark } from './state.ts';
import type { Survey } from './survey.ts';

const mark: TableMark = ['/public.t', 'shape', 100, 'explained', 5000, 100, 10];
const special = (path: string): ChunkPlan => ({
  path,
  kind: 'special',
  columns: [],
  estimatedBytes: 1,
  local: false,
  compare: true,
  how: null,
});

function table(path: string, more: Partial<TableFacts> = {}): TableFacts {
  const [, ...rest] = mark;
  const printed = path.slice(1);
  return {
    oid: 1,
    path,
    printed,
    keyed: true,
    keyIndex: 2,
    unlogged: false,
    types: [],
    mark: [path, ...rest],
    ...more,
  };
}

function state(more: Partial<ChangeState> = {}): ChangeState {
  return {
    version: 1,
    slot: 'holdfast_x',
    identity: '1/2',
    timeline: 1,
    nextTransaction: '7',
    tables: [table('/public.t').mark, table('/public.u').mark],
    types: [],
    enumOid: 0,
    catalog: 'c',
    largeObjects: '',
    special: [],
    ...more,
  };
}

function survey(more: Partial<Survey> = {}): Survey {
  return {
    tables: [table('/public.t'), table('/public.u')],
    types: { types: [], enumOid: 0, changed: new Set() },
    catalog: 'c',
    largeObjects: '',
    special: [],
    nextTransaction: '8',
    ...more,
  };
}

const seen = (printed: string, more: Partial<Sighting> = {}): Sighting => ({
  printed,
  path: undefined,
  changes: 1,
  broken: false,
  truncatedBy: 0,
  ...more,
});

describe('what an incremental stores besides row changes', () => {
  it('is nothing, when nothing but rows changed', () => {
    const found = whatDiffers(state(), survey(), [seen('public.t', { path: '/public.t' })]);
    expect(found).toMatchObject({ replaced: [], dropped: [], unlogged: [], schema: false, special: [] });
    expect(needsView(found)).toBe(false);
  });

  it.each([
    ['a table whose changes were only counted', survey(), [seen('public.t')]],
    [
      'a table whose changes could not be kept',
      survey(),
      [seen('public.t', { path: '/public.t', broken: true })],
    ],
    [
      'a table of a type that prints in another way',
      survey({
        tables: [table('/public.t', { types: [77] }), table('/public.u')],
        types: { types: [], enumOid: 0, changed: new Set([77]) },
      }),
      [],
    ],
    [
      'a table that is new',
      survey({ tables: [table('/public.t'), table('/public.u'), table('/public.new')] }),
      [],
    ],
  ])('is %s', (_, now, sightings) => {
    const found = whatDiffers(state(), now, sightings);
    expect(found.replaced).toHaveLength(1);
    expect(needsView(found)).toBe(true);
  });

  it('is that a table is gone, and no word of one that nobody knows', () => {
    const found = whatDiffers(state(), survey({ tables: [table('/public.t')] }), [seen('public.brief')]);
    expect(found).toMatchObject({ replaced: [], dropped: ['/public.u'] });
    expect(needsView(found)).toBe(true);
  });

  it('is every unlogged table, and the schema if a catalog changed', () => {
    const unlogged = [table('/public.t', { unlogged: true }), table('/public.u')];
    expect(whatDiffers(state(), survey({ tables: unlogged, catalog: 'd' }), [])).toMatchObject({
      schema: true,
      unlogged: [{ path: '/public.t' }],
    });
  });

  it('is large objects when they changed, all of them anew if their ranges are others', () => {
    const paths = (...names: string[]): ChunkPlan[] => names.map(special);
    const before = state({
      largeObjects: 'x',
      special: ['/sequences', '/large-objects/@0-9', '/large-object-owners'],
    });
    const same = paths('/sequences', '/large-objects/@0-9', '/large-object-owners');
    expect(whatDiffers(before, survey({ largeObjects: 'x', special: same }), [])).toMatchObject({
      largeObjects: false,
      special: [{ path: '/sequences' }],
    });
    expect(whatDiffers(before, survey({ largeObjects: 'y', special: same }), [])).toMatchObject({
      largeObjects: true,
      special: same,
      replacedSpecial: [],
    });
    const split = paths('/large-objects/@0-4', '/large-objects/@5-9', '/large-object-owners');
    const found = whatDiffers(before, survey({ largeObjects: 'y', special: split }), []);
    expect(found).toMatchObject({
      replacedSpecial: ['/large-objects', '/large-object-owners'],
      droppedSpecial: ['/sequences'],
    });
    expect(found.special.every((chunk) => !chunk.compare)).toBe(true);
    expect(whatDiffers(before, survey({ largeObjects: '', special: [] }), [])).toMatchObject({
      largeObjects: false,
      special: [],
      droppedSpecial: before.special,
    });
  });
});

describe('a table counts as altered', () => {
  const now = (changes: Partial<Record<number, string | number>>): TableMark =>
    mark.map((value, at) => changes[at] ?? value) as unknown as TableMark;

  it.each([
    ['nothing', {}, undefined, false],
    ['its shape', { 1: 'other' }, undefined, true],
    ['a GRANT', { 2: 200, 3: 'other' }, undefined, false],
    ['another owner', { 2: 200, 5: 200, 6: 11 }, undefined, false],
    ['a rename that was taken back', { 2: 200, 5: 200 }, undefined, true],
    ['something that was taken back', { 2: 200 }, undefined, true],
    ['a rewrite', { 2: 200, 4: 6000 }, undefined, true],
    ['a rewrite and a GRANT', { 2: 200, 3: 'other', 4: 6000 }, undefined, true],
    ['a TRUNCATE that the log shows', { 2: 200, 4: 6000 }, 200, false],
    ['a rewrite after a TRUNCATE', { 2: 201, 4: 6000 }, 200, true],
    ['a rewrite before a TRUNCATE, whose rows do not count any more', { 2: 200, 4: 7000 }, 200, false],
    ['an index, which is noted in place', { 3: 'other' }, undefined, false],
  ])('or not by %s', (_, changes, truncatedBy, altered) => {
    expect(isAltered(mark, now(changes), truncatedBy)).toBe(altered);
  });
});

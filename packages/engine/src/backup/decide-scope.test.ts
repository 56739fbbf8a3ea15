import type { Finding } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { chainA, chainB, chainOf, manifestOf } from '../manifest.fixture.ts';
import { decideScope, type ScopeQuestion } from './decide-scope.ts';

const chain = chainOf([manifestOf(0), manifestOf(1)]);
const unmet: Finding = {
  check: 'log',
  ok: false,
  severity: 'error',
  code: 'precondition_failed',
  message: 'the log is off',
  hint: 'switch it on',
};
const problem = {
  kind: 'broken chain',
  key: 'k',
  backup: `${chainA}/0002`,
  detail: 'a link is missing',
} as const;

function ask(over: Partial<ScopeQuestion>): ScopeQuestion {
  return {
    task: 'shop',
    scope: 'auto',
    type: 'logical',
    keepChanges: undefined,
    newSource: false,
    node: 'node-a',
    generation: 1,
    source: { type: 'memory', identity: 'db-1', name: 'shop', version: '1' },
    unmet: [],
    chains: [chain],
    ...over,
  };
}

/** The answer in a few words: which chains are tried, or why a full. */
function answer(over: Partial<ScopeQuestion>): unknown {
  const decided = decideScope(ask(over));
  if (decided.scope === 'full') return { full: decided.reason, keeps: decided.keepChanges };
  return { tries: decided.candidates.map((one) => one.chain), orFull: decided.orFull !== undefined };
}

describe('auto', () => {
  const otherHead = (over: Parameters<typeof manifestOf>[1]): unknown =>
    answer({ chains: [chainOf([manifestOf(0, over), manifestOf(1, over)])] });
  const full = (reason: string | RegExp): unknown => ({ full: expect.stringMatching(reason), keeps: true });

  test.each([
    ['a chain that can be continued', () => answer({}), { tries: [chainA], orFull: true }],
    ['no chain', () => answer({ chains: [] }), full('there is no full backup yet')],
    ['another node', () => answer({ node: 'node-b' }), full('begun by node node-a, generation 1')],
    ['another generation', () => answer({ generation: 2 }), full('begun by node node-a, generation 1')],
    [
      'a chain of an earlier generation that is its own still',
      () => answer({ generation: 3, ownedGeneration: 1 }),
      { tries: [chainA], orFull: true },
    ],
    [
      'a chain of an earlier generation that is not its own any more',
      () => answer({ generation: 3, ownedGeneration: 2 }),
      full('generation 1, and only it'),
    ],
    [
      "another node's chain of the generation that is its own",
      () => answer({ node: 'node-b', generation: 3, ownedGeneration: 1 }),
      full('begun by node node-a'),
    ],
    ['another type', () => answer({ type: 'snapshot' }), full('is of type logical')],
    ['no changes kept', () => otherHead({ state: null }), full('no changes were kept')],
    [
      'a broken chain',
      () => answer({ chains: [{ ...chain, problems: [problem] }] }),
      full('broken .a link is missing.'),
    ],
    [
      'no usable full',
      () => answer({ chains: [{ ...chain, backups: [], problems: [problem] }] }),
      full('no usable full'),
    ],
  ])('%s', (_, asked, expected) => {
    expect(asked()).toEqual(expected);
  });

  test('whose chain it is, its full says, whoever made its newest incremental', () => {
    const later = { generation: 3, node: 'node-b' };
    const continued = chainOf([manifestOf(0), manifestOf(1, later)]);
    expect(answer({ chains: [continued] })).toEqual({ tries: [chainA], orFull: true });
    expect(answer({ chains: [continued], ...later })).toEqual(full('begun by node node-a, generation 1'));
  });

  test('of several chains those are tried that are of this or of the owned generation', () => {
    const newer = chainOf([manifestOf(0, { chain: chainB, generation: 2 })]);
    const chains = [newer, chain];
    expect(answer({ chains, generation: 3, ownedGeneration: 2 })).toMatchObject({ tries: [chainB] });
    expect(answer({ chains, generation: 2, ownedGeneration: 1 })).toMatchObject({ tries: [chainB, chainA] });
  });

  test('a segment that is not there any more makes a full', () => {
    const segments = [{ name: 'gone', bytes: 1, sha256: '0'.repeat(64) }];
    const made = chainOf([manifestOf(0, { segments })]);
    const objects = new Map([...made.objects].filter(([name]) => name !== 'gone'));
    expect(answer({ chains: [{ ...made, objects }] })).toEqual(full('segment gone is missing'));
  });

  test('what incrementals need and do not have makes a full that keeps nothing, and says so', () => {
    const decided = decideScope(ask({ unmet: [unmet] }));
    expect(decided).toEqual({
      scope: 'full',
      keepChanges: false,
      reason: 'incrementals are not possible: the log is off',
      notices: ['no changes are kept for incrementals: the log is off (switch it on)'],
    });
  });

  test('all chains that can be continued are tried, the newest first', () => {
    const newer = chainOf([manifestOf(0, { chain: chainB })]);
    expect(answer({ chains: [newer, chain] })).toEqual({ tries: [chainB, chainA], orFull: true });
    const broken = { ...newer, problems: [problem] };
    expect(answer({ chains: [broken, chain] })).toEqual({ tries: [chainA], orFull: true });
  });

  test('the reason is that of the newest chain', () => {
    const newer = chainOf([manifestOf(0, { chain: chainB, node: 'node-b' })]);
    const older = { ...chain, problems: [problem] };
    expect(answer({ chains: [newer, older] })).toEqual(full('begun by node node-b'));
  });

  test('changes are kept unless that is refused', () => {
    expect(answer({ chains: [], keepChanges: false })).toMatchObject({ keeps: false });
    expect(answer({ chains: [], keepChanges: true })).toMatchObject({ keeps: true });
  });
});

describe('asked for', () => {
  test('a full is made whatever is there, and keeps changes only when told to', () => {
    expect(answer({ scope: 'full' })).toEqual({ full: 'a full backup was asked for', keeps: false });
    expect(answer({ scope: 'full', keepChanges: true })).toMatchObject({ keeps: true });
    expect(answer({ scope: 'full', unmet: [unmet] })).toMatchObject({ keeps: false });
  });

  test('a full that is to keep changes is refused where they cannot be kept', () => {
    expect(() => decideScope(ask({ scope: 'full', keepChanges: true, unmet: [unmet] }))).toThrow(
      expect.objectContaining({
        code: 'precondition_failed',
        reason: 'the log is off',
        hint: 'switch it on',
      }),
    );
  });

  test('a full that is to keep changes if that is possible keeps none, and says so, where it is not', () => {
    const keepChanges = 'if-possible';
    for (const scope of ['full', 'auto'] as const) {
      expect(answer({ scope, keepChanges, chains: [] })).toMatchObject({ keeps: true });
      expect(decideScope(ask({ scope, keepChanges, unmet: [unmet] }))).toMatchObject({
        scope: 'full',
        keepChanges: false,
        notices: ['no changes are kept for incrementals: the log is off (switch it on)'],
      });
    }
  });

  test('an incremental is never a full instead', () => {
    expect(answer({ scope: 'incremental' })).toEqual({ tries: [chainA], orFull: false });
    for (const over of [{ chains: [] }, { unmet: [unmet] }, { node: 'node-b' }])
      expect(() => decideScope(ask({ scope: 'incremental', ...over }))).toThrow(
        expect.objectContaining({ code: 'precondition_failed' }),
      );
  });
});

describe('another database under the same task name', () => {
  const source = { type: 'memory', identity: 'db-2', name: 'shop', version: '1' };

  test.each(['auto', 'full', 'incremental'] as const)('is refused for %s', (scope) => {
    expect(() => decideScope(ask({ scope, source }))).toThrow(
      expect.objectContaining({ code: 'precondition_failed', hint: expect.stringContaining('--new-source') }),
    );
    const otherType = { ...ask({}).source, type: 'sqlite' };
    expect(() => decideScope(ask({ scope, source: otherType }))).toThrow(/another database/);
  });

  test('is a full of its own when that is meant', () => {
    expect(answer({ source, newSource: true })).toEqual({
      full: expect.stringContaining('is of another database'),
      keeps: true,
    });
  });

  test('is no question where no backup is usable', () => {
    expect(answer({ source, chains: [{ ...chain, backups: [], problems: [problem] }] })).toMatchObject({
      keeps: true,
    });
  });
});

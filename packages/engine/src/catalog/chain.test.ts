import type { Manifest } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { chainA, chainB, chainOf, foundOf, linkedOf, manifestOf } from '../manifest.fixture.ts';
import { type FoundBackup, linkChain, missingObjects } from './chain.ts';

const whole = linkedOf([0, 1, 2, 3].map((sequence) => manifestOf(sequence)));

/** The sequences that are linked, and the backups that are reported. */
function link(found: readonly FoundBackup[]): { linked: number[]; problems: string[] } {
  const { backups, problems } = linkChain(found, 'shop', chainA);
  return {
    linked: backups.map(({ manifest }) => manifest.sequence),
    problems: problems.map(({ backup }) => backup.replace(`${chainA}/`, '')),
  };
}

function without(sequence: number): FoundBackup[] {
  return whole.filter(({ manifest }) => manifest.sequence !== sequence);
}

function changed(sequence: number, over: Partial<Manifest>): FoundBackup[] {
  return whole.map((found) =>
    found.manifest.sequence === sequence ? foundOf({ ...found.manifest, ...over }) : found,
  );
}

describe('a chain', () => {
  test('is linked in the order of its numbers, however it is listed', () => {
    expect(link([...whole].reverse())).toEqual({ linked: [0, 1, 2, 3], problems: [] });
  });

  test('may leave numbers out, as long as each backup names the one before it', () => {
    const gaps = linkedOf(
      [0, 2, 7].map((n, index) =>
        manifestOf(n, {
          to: { position: `${index}`, timeMs: n },
          ...(n > 0 && { from: { position: `${index - 1}`, timeMs: 0 } }),
        }),
      ),
    );
    expect(link(gaps)).toEqual({ linked: [0, 2, 7], problems: [] });
  });

  test('ends before a backup that is missing', () => {
    expect(link(without(2))).toEqual({ linked: [0, 1], problems: ['0003'] });
    expect(link(without(1))).toEqual({ linked: [0], problems: ['0002', '0003'] });
    expect(link(without(0))).toEqual({ linked: [], problems: ['0001', '0002', '0003'] });
    expect(link(without(3))).toEqual({ linked: [0, 1, 2], problems: [] });
  });

  test('ends at a backup that was altered, though its own checksum fits', () => {
    expect(link(changed(1, { node: 'other' }))).toEqual({ linked: [0, 1], problems: ['0002', '0003'] });
    expect(link(changed(0, { finishedAtMs: 7 }))).toEqual({
      linked: [0],
      problems: ['0001', '0002', '0003'],
    });
  });

  test('ends where two backups were exchanged', () => {
    const [, one, two] = whole;
    if (!one || !two) throw new Error();
    const swapped = whole.map((found) =>
      found === one ? { ...two, key: one.key } : found === two ? { ...one, key: two.key } : found,
    );
    expect(link(swapped)).toEqual({ linked: [0], problems: ['0001', '0002', '0003'] });
  });

  test('has one full', () => {
    const second = foundOf(manifestOf(4, { scope: 'full' }));
    expect(link([...whole, second])).toEqual({ linked: [0, 1, 2, 3], problems: ['0004'] });
  });

  test('takes no backup of another chain, task or database, and none that begins elsewhere', () => {
    const { key = '', sha256 = '' } = foundOf(manifestOf(4));
    const previous = { sequence: 3, sha256: whole[3]?.sha256 ?? '' };
    const foreign: Partial<Manifest>[] = [
      { chain: chainB },
      { task: 'other' },
      { source: { type: 'memory', identity: 'db-2', name: 'shop', version: '1' } },
      { from: { position: '2', timeMs: 0 } },
      { previous: { sequence: 3, sha256: 'f'.repeat(64) } },
    ];
    for (const over of foreign) {
      const manifest = manifestOf(4, { previous, ...over });
      expect(link([...whole, { manifest, key, sha256 }]).linked, JSON.stringify(over)).toEqual([0, 1, 2, 3]);
      expect(linkChain([...whole, { manifest, key, sha256 }], 'shop', chainA).problems).toHaveLength(1);
    }
  });

  test('takes no manifest from a file with another name', () => {
    const key = `shop/${chainA}/0009-incremental.manifest.json`;
    const [full, one] = whole;
    if (!full || !one) throw new Error();
    expect(link([full, { ...one, key }]).linked).toEqual([0]);
  });
});

test('objects are missing when they are not there or have another size', () => {
  const name = '0000-full-001.ndjson.zst';
  const chain = chainOf([manifestOf(0, { segments: [{ name, bytes: 10, sha256: '0'.repeat(64) }] })]);
  expect(missingObjects(chain)).toEqual([]);
  for (const bytes of [undefined, 0, 9, 11]) {
    const objects = new Map(bytes === undefined ? [] : [[name, bytes]]);
    expect(missingObjects({ ...chain, objects })).toMatchObject([
      { kind: 'missing', backup: `${chainA}/0000` },
    ]);
  }
});

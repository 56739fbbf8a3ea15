import { describe, expect, it } from 'vitest';
import { differentHistory, parseTimelineHistory } from './timeline-history.ts';

describe('the history of a timeline', () => {
  it('is read from the server’s file', () => {
    const text =
      '# made by hand\n1\t0/3000110\tno recovery target specified\n\n2\t1A/4B\tbefore 2026-01-01 1/2\n';
    expect(parseTimelineHistory(text)).toEqual([
      [1, '0/3000110'],
      [2, '1A/4B'],
    ]);
    expect(parseTimelineHistory('')).toEqual([]);
  });

  it('is that of a chain when all timelines were left at the same positions', () => {
    expect(differentHistory([[1, '0/1']], [[1, '0/1']])).toBeUndefined();
    expect(differentHistory([], [])).toBeUndefined();
    expect(differentHistory([[1, '0/1']], [[1, '0/2']])).toBe(
      'the server was promoted apart from the one that the chain was made from: it left timeline 1 at 0/2, that one left timeline 1 at 0/1',
    );
  });

  it('that a backup of an earlier version does not have differs from none', () => {
    expect(differentHistory(undefined, [[1, '0/1']])).toBeUndefined();
  });

  it('that the server has lost is another one', () => {
    expect(differentHistory([[1, '0/1']], undefined)).toContain('lost the history');
  });
});

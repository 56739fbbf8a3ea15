import { HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { type Answer, choosePrimary } from './choose-primary.ts';
import type { Member } from './member.ts';

let servers = 0;

function answer(where: string, parts: Partial<Member> = {}): Answer {
  const standby = parts.standby ?? false;
  const member: Member = {
    system: '7',
    startedAt: `${++servers}`,
    timeline: 1,
    standby,
    readOnly: standby,
    ...parts,
  };
  return { where, member };
}

function refusal(...answers: Answer[]): HoldfastError {
  try {
    choosePrimary('primary', answers);
  } catch (caught) {
    if (caught instanceof HoldfastError) return caught;
  }
  throw new Error('a primary was chosen');
}

describe('the choice of a primary', () => {
  it('falls on the only one, wherever it stands, and says what the others are', () => {
    const [standby, primary] = [answer('h1', { standby: true }), answer('h2')];
    const { taken, refused } = choosePrimary('primary', [standby, primary]);
    expect(taken).toBe(primary);
    expect(refused.get(standby)?.reason).toBe('h1 is a standby, wanted is primary');
    expect(choosePrimary('primary', [primary, standby]).taken).toBe(primary);
    expect(choosePrimary('primary', [standby]).taken).toBeUndefined();
  });

  it('takes no notice of a server that is named twice', () => {
    const one = answer('localhost');
    expect(choosePrimary('primary', [one, { where: '127.0.0.1', member: one.member }]).taken).toBe(one);
  });

  it('is refused when two servers claim to be it, naming both and their timelines', () => {
    const error = refusal(
      answer('h1'),
      answer('h2', { timeline: 2 }),
      answer('h3', { standby: true, timeline: 2 }),
    );
    expect(error.code).toBe('precondition_failed');
    expect(error.reason).toBe('two servers claim to be the primary: h1 (timeline 1) and h2 (timeline 2)');
    expect(error.hint).toContain('left behind by a failover');
    expect(refusal(answer('h1'), answer('h2')).reason).toContain('two servers');
  });

  it('is refused for two primaries of different timelines even if only one takes writes', () => {
    expect(refusal(answer('h1', { readOnly: true }), answer('h2', { timeline: 2 })).reason).toContain('h1');
  });

  it('is refused when the hosts are primaries of two clusters', () => {
    const error = refusal(answer('h1'), answer('h2', { system: '8' }));
    expect(error.reason).toContain('h1 (system 7, timeline 1) and h2 (system 8, timeline 1)');
    expect(error.hint).toContain('two clusters');
  });

  it('does not fall on one that a standby has left behind', () => {
    const primary = answer('h1');
    const { taken, refused } = choosePrimary('primary', [
      primary,
      answer('h2', { standby: true, timeline: 2 }),
    ]);
    expect(taken).toBeUndefined();
    expect(refused.get(primary)?.reason).toBe(
      'h1 is a primary that was left behind on timeline 1 (h2 is on timeline 2), wanted is primary',
    );
    // Of another cluster, a timeline says nothing.
    const other = answer('h3', { standby: true, timeline: 9, system: '8' });
    expect(choosePrimary('primary', [primary, other]).taken).toBe(primary);
  });

  it('for read-write passes over a primary that takes no writes', () => {
    const [quiet, open] = [answer('h1', { readOnly: true }), answer('h2')];
    const { taken, refused } = choosePrimary('read-write', [quiet, open]);
    expect(taken).toBe(open);
    expect(refused.get(quiet)?.reason).toBe('h1 is read only, wanted is read-write');
    expect(choosePrimary('primary', [quiet, open]).taken).toBe(quiet);
  });
});

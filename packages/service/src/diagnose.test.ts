import { SystemClock } from '@holdfast/core';
import { failing, MemoryDestination, type Script } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { diagnose, diagnoseDestination } from './diagnose.ts';

const o = { signal: new AbortController().signal, clock: new SystemClock() };

async function examine(script: Script) {
  const place = new MemoryDestination();
  const findings = await diagnoseDestination(failing(place, script), o);
  const left = await Array.fromAsync(place.list('', o));
  return { findings, last: findings.at(-1), left };
}

describe('looking at a destination', () => {
  it('proves each step, and leaves nothing behind', async () => {
    const { findings, left } = await examine({});
    expect(findings.map((finding) => [finding.check, finding.ok])).toEqual([
      ['writable', true],
      ['store an object', true],
      ['refuse to overwrite it', true],
      ['read it back', true],
      ['list it', true],
      ['delete it', true],
    ]);
    expect(left).toEqual([]);
  });

  it.each([
    ['a place that refuses', { prepare: ['permission_denied'] }, 'writable', 'permission_denied'],
    ['a full disk', { write: ['exhausted'] }, 'store an object', 'exhausted'],
    ['half an object', { write: ['short'] }, 'store an object', 'corrupt'],
    ['half of the bytes', { read: ['short'] }, 'read it back', 'corrupt'],
    ['credentials that cannot list', { list: ['permission_denied'] }, 'list it', 'permission_denied'],
    [
      'credentials that cannot delete',
      { delete: ['permission_denied', 'ok'] },
      'delete it',
      'permission_denied',
    ],
  ] as const)('stops at %s', async (_what, script, check, code) => {
    const { last, left } = await examine(script);
    expect(last).toMatchObject({ check, ok: false, severity: 'error', code });
    expect(left).toEqual([]);
  });

  it('takes a place that cannot be opened for a finding, and an unknown scheme for an error', async () => {
    expect(await diagnose('file://elsewhere/backups', o)).toMatchObject([{ check: 'open', ok: false }]);
    await expect(diagnose('nosuch:x', o)).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

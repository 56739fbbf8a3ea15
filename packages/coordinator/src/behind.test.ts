import type { ErrorRecord } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { behindOnly, behindTold, copyFailed, copySucceeded, isBehind } from './behind.ts';
import type { RunResult, TaskRecord } from './records.ts';
import { beginRun, endRun, newTask, startRun } from './transitions.ts';

const down: ErrorRecord = { code: 'unavailable', message: 'far is down' };

function result(over: Partial<RunResult> = {}): RunResult {
  return {
    outcome: 'stored',
    scope: 'full',
    backup: 'c/0000',
    reason: 'first',
    rows: 1,
    changes: 0,
    rawBytes: 10,
    storedBytes: 5,
    segments: 1,
    notices: [],
    destinations: [
      { name: 'near', stored: true },
      { name: 'far', stored: false, behind: true, error: down },
    ],
    ...over,
  };
}

/** A run that begins at one moment and ends a second later. */
function ran(record: TaskRecord, atMs: number, made: RunResult): TaskRecord {
  const step = startRun(record, { scope: 'full', trigger: 'schedule', reason: 'due' }, atMs);
  const { run } = beginRun(step, atMs);
  return endRun({ record: step.record, run }, { state: 'succeeded', made }, atMs + 1000).record;
}

const everywhere = [
  { name: 'near', stored: true },
  { name: 'far', stored: true },
];
const first = ran(newTask('shop', 'a', 0), 10_000, result());

describe('a destination that lacks a backup', () => {
  it('is behind from the end of the run on, and that run is named', () => {
    expect(first.behind).toEqual({
      far: { sinceMs: 11_000, run: first.lastRunId, backups: 1, tries: 0, error: down },
    });
    expect(isBehind(first, 'far')).toBe(true);
    expect(isBehind(first, 'near')).toBe(false);
    expect(first.lastGoodAt).not.toHaveProperty('far');
  });

  it('lacks one more with each further run, and none more where nothing changed', () => {
    const second = ran(first, 20_000, result({ backup: 'c/0001' }));
    const third = ran(second, 30_000, result({ outcome: 'unchanged', backup: 'c/0001' }));
    expect(third.behind?.far).toMatchObject({ sinceMs: 11_000, run: first.lastRunId, backups: 2 });
  });

  it('stays behind when a later run stores there: only a copy knows what it lacks', () => {
    const second = ran(first, 20_000, result({ backup: 'd/0000', destinations: everywhere }));
    expect(second.behind?.far?.backups).toBe(1);
    expect(second.lastGoodAt.far?.backup).toBe('d/0000');
  });

  it('that may only be written to is no longer behind once it has a new chain', () => {
    const blind = copyFailed(first, 'far', { error: { code: 'permission_denied', message: 'no' }, nowMs: 1 });
    const more = { backup: 'c/0001', scope: 'incremental', destinations: everywhere } as const;
    expect(ran(blind, 20_000, result(more)).behind?.far?.backups).toBe(1);
    const full = ran(blind, 20_000, result({ backup: 'd/0000', destinations: everywhere }));
    expect(full).not.toHaveProperty('behind');
  });

  it('has tries that are counted, with the last error', () => {
    const error: ErrorRecord = { code: 'timeout', message: 'no answer' };
    const tried = copyFailed(copyFailed(first, 'far', { error: down, nowMs: 1 }), 'far', { error, nowMs: 2 });
    expect(tried.behind?.far).toMatchObject({ tries: 2, lastTriedAtMs: 2, error, sinceMs: 11_000 });
    expect(copyFailed(first, 'near', { error, nowMs: 2 })).toBe(first);
  });

  it('has everything after a copy, and the newest backup of that time is its last good one', () => {
    const copied = copySucceeded(first, 'far', { asOf: first, startedAtMs: 15_000 });
    expect(copied).not.toHaveProperty('behind');
    expect(copied.lastGoodAt.far).toEqual(first.lastGood);
  });

  it('still lacks what a run left behind while it was copied', () => {
    const meanwhile = ran(first, 20_000, result({ backup: 'c/0001' }));
    const copied = copySucceeded(meanwhile, 'far', { asOf: first, startedAtMs: 15_000 });
    expect(copied.behind).toEqual({
      far: { sinceMs: 15_000, run: meanwhile.lastGood?.run, backups: 1, tries: 0 },
    });
    expect(copied.lastGoodAt.far?.backup).toBe('c/0000');
  });

  it('keeps what a run stored there during the copy as its last good one', () => {
    const meanwhile = ran(first, 20_000, result({ backup: 'd/0000', destinations: everywhere }));
    const copied = copySucceeded(meanwhile, 'far', { asOf: first, startedAtMs: 15_000 });
    expect(copied).not.toHaveProperty('behind');
    expect(copied.lastGoodAt.far?.backup).toBe('d/0000');
  });

  it('is forgotten when it is no longer one of the task', () => {
    expect(behindOnly(first, ['near'])).not.toHaveProperty('behind');
    expect(behindOnly(first, ['near', 'far'])).toBe(first);
  });

  it('remembers that people were told', () => {
    expect(behindTold(first, 'far', 99).behind?.far?.toldAtMs).toBe(99);
    expect(behindTold(first, 'near', 99)).toBe(first);
  });
});

import type { RunRecord, TaskRecord } from '@holdfast/coordinator';
import { FakeClock } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { RunProgress } from '../run-progress.ts';
import { taskOf } from './bench.fixture.ts';
import { Schedules } from './schedules.ts';
import { runView, stateOf, type TaskViewContext, taskView } from './views.ts';

const nowMs = Date.UTC(2026, 10, 20, 14);
const near = { type: 'folder', path: '/near' };
const good = {
  run: 'shop-1',
  scope: 'full',
  backup: 'c/0000',
  asOfMs: nowMs - 1000,
  endedAtMs: nowMs,
} as const;
const record: TaskRecord = {
  task: 'shop',
  node: 'node-a',
  generation: 3,
  sinceMs: nowMs,
  settledMs: { full: nowMs, incremental: nowMs },
  owner: { node: 'node-a', generation: 3, chain: 'c' },
  lastGoodAt: { near: good },
  lastGood: good,
  runsCount: 1,
};
const run: RunRecord = {
  id: 'shop-20261120T140000000Z',
  task: 'shop',
  node: 'node-a',
  generation: 3,
  state: 'running',
  trigger: 'schedule',
  scope: 'incremental',
  reason: 'due by schedule',
  occurrenceMs: nowMs,
  dueMs: nowMs,
  createdAtMs: nowMs,
  startedAtMs: nowMs,
};

function contextOf(spec = taskOf(), over: Partial<TaskViewContext> = {}): TaskViewContext {
  const objects = { sources: {}, destinations: { near }, tasks: { shop: spec }, notifications: {} };
  return { nowMs, objects, schedule: new Schedules().of('shop', spec), revision: 7, ...over };
}

describe('a task', () => {
  it('says who runs it and why, what it has, and what comes next', () => {
    expect(taskView(record, taskOf(), contextOf())).toMatchObject({
      name: 'shop',
      node: 'node-a',
      generation: 3,
      state: 'enabled',
      schedules: { full: '0 * * * *', timezone: 'UTC' },
      lastGood: { at: '2026-11-20T13:59:59.000Z', backup: 'c/0000', scope: 'full' },
      lastGoodByDestination: { near: { backup: 'c/0000' } },
      next: { at: '2026-11-20T15:00:00.000Z', scope: 'full' },
      freshness: { state: 'fresh', expected: '2026-11-20T15:00:00.000Z' },
      warnings: [],
      declaredRevision: 7,
    });
  });

  it('is disabled, paused, delayed or enabled, in this order', () => {
    const spec = taskOf();
    const held = { ...record, pausedSinceMs: 1, delayedUntilMs: nowMs + 1 };
    const { pausedSinceMs: _, ...delayed } = held;
    expect(stateOf(held, taskOf({ disabled: true }), nowMs)).toBe('disabled');
    expect(stateOf(held, spec, nowMs)).toBe('paused');
    expect(stateOf(delayed, spec, nowMs)).toBe('delayed');
    expect(stateOf(delayed, spec, nowMs + 1)).toBe('enabled');
  });

  it('says what its run does: it waits until it has begun', () => {
    const busy = { ...record, running: { run: run.id, node: 'node-a', scope: 'full' } } as const;
    expect(taskView(busy, taskOf(), contextOf()).running).toEqual({
      run: run.id,
      scope: 'full',
      state: 'waiting',
    });
    expect(taskView(busy, taskOf(), contextOf(taskOf(), { runningSinceMs: nowMs })).running).toMatchObject({
      state: 'running',
      startedAt: '2026-11-20T14:00:00.000Z',
    });
  });

  it('warns of destinations that are disabled', () => {
    const off = { ...near, disabled: true };
    const base = contextOf();
    const two = taskOf({ destinations: ['near', 'far'] });
    const of = (destinations: TaskViewContext['objects']['destinations']): readonly string[] =>
      taskView(record, two, { ...base, objects: { ...base.objects, destinations } }).warnings;
    expect(of({ near, far: near })).toEqual([]);
    expect(of({ near: off, far: near })).toEqual(['Destination near is disabled']);
    expect(of({ near: off, far: off })).toEqual(['All backup destinations are disabled']);
  });

  it('says which destinations lack backups, since when and why', () => {
    const far = {
      sinceMs: nowMs - 1000,
      run: 'shop-20261120T135959000Z',
      backups: 2,
      tries: 1,
      lastTriedAtMs: nowMs,
      error: { code: 'unavailable', message: 'far is down' },
    } as const;
    const view = taskView({ ...record, behind: { far } }, taskOf(), contextOf());
    expect(view.behindByDestination).toEqual({
      far: {
        since: '2026-11-20T13:59:59.000Z',
        run: far.run,
        backups: 2,
        tries: 1,
        lastTriedAt: '2026-11-20T14:00:00.000Z',
        error: far.error,
      },
    });
    expect(view.warnings).toEqual([
      'Destination far lacks 2 backups since 2026-11-20T13:59:59.000Z: far is down',
    ]);
  });

  it('without any backup waits for its first, and says when it should be there', () => {
    const { lastGood: _, ...young } = record;
    const view = taskView({ ...young, lastGoodAt: {} }, taskOf(), contextOf());
    expect(view.freshness).toMatchObject({ state: 'waiting-first', expected: '2026-11-20T15:00:00.000Z' });
    const late = taskView(
      { ...young, lastGoodAt: {} },
      taskOf(),
      contextOf(taskOf(), { nowMs: nowMs + 3 * 3_600_000 }),
    );
    expect(late.freshness).toMatchObject({ state: 'never-ran', overdueSince: '2026-11-20T15:30:00.000Z' });
  });
});

describe('a run', () => {
  const o = { stuckAfterMs: 600_000 };

  it('that is over says what was made, where it is missing, and for what else it stands', () => {
    const view = runView(
      {
        ...run,
        state: 'succeeded',
        endedAtMs: nowMs + 1000,
        missed: 2,
        made: {
          outcome: 'stored',
          scope: 'full',
          backup: 'c/0000',
          reason: 'there was none to continue',
          rows: 5,
          changes: 1,
          rawBytes: 100,
          storedBytes: 50,
          segments: 1,
          notices: ['something'],
          destinations: [
            { name: 'near', stored: true },
            { name: 'far', stored: false, error: { code: 'unavailable', message: 'down' } },
          ],
          gap: 'the log was lost',
        },
      },
      o,
    );
    expect(view).toMatchObject({
      scopeAsked: 'incremental',
      scopeMade: 'full',
      reason: 'due by schedule; there was none to continue',
      rows: 5,
      storedBytes: 50,
      notices: [
        'stands for 2 more occurrences that passed without a run',
        'something',
        'gap: the log was lost',
        'destination far was left behind: down; it catches up',
      ],
    });
    expect(view.destinations).toEqual([
      { name: 'near', state: 'stored' },
      { name: 'far', state: 'behind', error: { code: 'unavailable', message: 'down' } },
    ]);
    expect(view.progress).toBeUndefined();
  });

  it('that waits says for what, and has no progress', () => {
    const progress = new RunProgress({ clock: new FakeClock() });
    const active = { run, source: 'shop', progress, destinations: [], waitingFor: 'this node has 2 of 2' };
    const view = runView({ ...run, state: 'waiting' }, { ...o, active });
    expect(view).toMatchObject({ state: 'waiting', waitingFor: 'this node has 2 of 2' });
    expect(view.progress).toBeUndefined();
  });

  it('that works shows how far it is, at each destination by its name, and whether it is stuck', async () => {
    const clock = new FakeClock();
    const progress = new RunProgress({ clock });
    progress.take({ kind: 'step', step: 'run-created' });
    progress.take({ kind: 'progress', phase: 'reading', doneBytes: 50, totalBytes: 200, rows: 5 });
    const active = { run, source: 'shop', progress, destinations: ['near'] };
    progress.take({
      kind: 'upload',
      destination: 'file:/near',
      index: 0,
      doneBytes: 1,
      totalBytes: 2,
      state: 'uploading',
    });
    expect(runView(run, { ...o, active })).toMatchObject({
      rows: 5,
      rawBytes: 50,
      progress: { phase: 'reading', stuck: false, destinations: [{ name: 'near', doneBytes: 1 }] },
    });
    await clock.advance(600_001);
    expect(runView(run, { ...o, active }).progress?.stuck).toBe(true);
  });
});

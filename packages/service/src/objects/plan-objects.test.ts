// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import type { DeclaredObjects } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { formatPlan } from './format-plan.ts';
import { noObjects } from './object-kinds.ts';
import { parseText, shop } from './objects.fixture.ts';
import { applyChanges, planObjects } from './plan-objects.ts';

const current = parseText(shop).objects;
const just = (part: Partial<DeclaredObjects>): DeclaredObjects => ({ ...noObjects, ...part });

describe('a plan', () => {
  it('of the same objects is empty, however they are written', () => {
    const written = parseText(shop.replace('full:', 'timezone: UTC\n    disabled: false\n    full:')).objects;
    for (const prune of [true, false]) expect(planObjects(current, written, { prune })).toEqual([]);
    expect(formatPlan([])).toBe('nothing to change\n');
  });

  it('says which fields would be added, changed, removed', () => {
    const declared = parseText(
      shop
        .replace('full: "0 2 * * 0"', 'incremental: "*/5 * * * *"')
        .replace('[near, far]', '[near]\n    blackout: [{ from: "08:00", to: "09:00" }]')
        .replace('mount: required', 'disabled: true'),
    ).objects;
    expect(planObjects(current, declared, { prune: false })).toEqual([
      {
        action: 'change',
        kind: 'destination',
        name: 'far',
        fields: [
          { field: 'disabled', from: undefined, to: true },
          { field: 'mount', from: 'required', to: undefined },
        ],
      },
      {
        action: 'change',
        kind: 'task',
        name: 'orders',
        fields: [
          { field: 'blackout', from: undefined, to: [{ from: '08:00', to: '09:00' }] },
          { field: 'destinations', from: ['near', 'far'], to: ['near'] },
          { field: 'full', from: '0 2 * * 0', to: undefined },
          { field: 'incremental', from: undefined, to: '*/5 * * * *' },
        ],
      },
    ]);
  });

  it('compares fields within fields by their path, and takes a list for one value', () => {
    const source = (keep: object) =>
      just({ sources: { a: { type: 'x', retention: { minimum: '1d', keep } } } });
    expect(
      planObjects(source({ last: 2, daily: 7 }), source({ last: 3, weekly: [1] }), { prune: false }),
    ).toMatchObject([
      {
        fields: [
          { field: 'retention.keep.daily', from: 7, to: undefined },
          { field: 'retention.keep.last', from: 2, to: 3 },
          { field: 'retention.keep.weekly', from: undefined, to: [1] },
        ],
      },
    ]);
  });

  it('leaves what is not declared as it is, unless that is to go', () => {
    const declared = just({ sources: { more: { type: 'sqlite', path: '/a' } } });
    const actions = (prune: boolean) =>
      planObjects(current, declared, { prune }).map(({ action, kind, name }) => `${action} ${kind} ${name}`);
    expect(actions(false)).toEqual(['add source more']);
    expect(actions(true)).toEqual([
      'add source more',
      'remove source orders',
      'remove destination far',
      'remove destination near',
      'remove task orders',
      'remove notification dba',
    ]);
  });

  it('is text that people read', () => {
    const declared = parseText(
      shop
        .replace('orders: {', 'web: { type: sqlite, path: "/srv/web shop.db" }\n  orders: {')
        .replace('"0 2 * * 0"', '"30 2 * * 0"\n    jitter: 2m')
        .replace(/notif[\s\S]*/, ''),
    ).objects;
    expect(formatPlan(planObjects(current, declared, { prune: true }))).toBe(`+ source web
    path: /srv/web shop.db
    type: sqlite
~ task orders
    full: 0 2 * * 0 -> 30 2 * * 0
    jitter: (not set) -> 2m
- notification dba
1 to add, 1 to change, 1 to remove
`);
  });

  it('shows placeholders as they are written, and no secret that got in somehow', () => {
    const urls = [
      'postgres://u:${file:/run/p}@h/db',
      'postgres://u:hunter2@h/db',
      'postgres://h/?password=hunter2',
    ];
    const declared = just({
      sources: Object.fromEntries(urls.map((url, i) => [`s${i}`, { type: 'postgres', url }])),
      notifications: { a: { type: 'webhook', url: 'https://h', secret: 'hunter2' } },
    });
    const changes = planObjects(noObjects, declared, { prune: false });
    expect(JSON.stringify(changes) + formatPlan(changes)).not.toContain('hunter2');
    expect(formatPlan(changes)).toContain('url: "postgres://u:${file:/run/p}@h/db"');
    expect(formatPlan(changes)).toContain('url: "postgres:[secret]"');
    expect(formatPlan(changes)).toContain('secret: "[secret]"');
  });

  it('says that a secret changes without showing it', () => {
    const webhook = (secret: string) =>
      just({ notifications: { a: { type: 'webhook', url: 'https://h', secret } } });
    expect(planObjects(webhook('one'), webhook('two'), { prune: false })).toMatchObject([
      { action: 'change', fields: [{ field: 'secret', from: '[secret]', to: '[secret]' }] },
    ]);
  });

  it('sends no control character to a terminal', () => {
    const declared = just({ sources: { a: { type: 'sqlite', path: '/a\u001b[2J\nb\u009b\u202e' } } });
    const text = formatPlan(planObjects(noObjects, declared, { prune: false }));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u0080-\u009f\u202e]/);
    expect(text).toContain('path: "/a\\e[2J\\nb\\u009b\\u202e"');
  });
});

describe('what is applied', () => {
  it('takes the place of what was there, and leaves the rest', () => {
    const declared = just({ destinations: { near: { type: 'folder', path: '/other' } } });
    expect(applyChanges(current, declared, { prune: false })).toEqual({
      ...current,
      destinations: { ...current.destinations, near: { type: 'folder', path: '/other' } },
    });
    expect(applyChanges(current, current, { prune: true })).toEqual(current);
    expect(applyChanges(current, noObjects, { prune: true })).toEqual(noObjects);
  });

  it('leaves nothing to plan', () => {
    const declared = parseText(shop.replace('"0 2 * * 0"', '"0 3 * * 0"').replaceAll('far', 'off')).objects;
    for (const prune of [true, false]) {
      const next = prune
        ? declared
        : { ...declared, destinations: { near: declared.destinations.near as never } };
      const tasks = prune ? declared.tasks : {};
      const applied = applyChanges(current, { ...next, tasks }, { prune });
      expect(planObjects(applied, { ...next, tasks }, { prune })).toEqual([]);
    }
  });

  it('is refused when a task refers to what would be removed', () => {
    expect(() => applyChanges(current, just({ tasks: current.tasks }), { prune: true })).toThrow(
      [
        '[config_invalid] 3 problems in the objects:',
        '  tasks.orders.source: refers to sources.orders, which would be removed: declare it, or take it out of the task',
        '  tasks.orders.destinations[0]: refers to destinations.near, which would be removed: declare it, or take it out of the task',
        '  tasks.orders.destinations[1]: refers to destinations.far, which would be removed: declare it, or take it out of the task',
      ].join('\n'),
    );
  });

  it('is refused when it does not fit to what stays', () => {
    const same = just({ destinations: { other: { type: 'folder', path: '/mnt/far/' } } });
    expect(() => applyChanges(current, same, { prune: false })).toThrow(
      '[config_invalid] destinations.other: names the same place as destinations.far: two copies in one place are one copy',
    );
    const task = current.tasks.orders;
    const dangling = just({ tasks: { more: { ...(task as NonNullable<typeof task>), source: 'ordres' } } });
    expect(() => applyChanges(current, dangling, { prune: false })).toThrow(
      '[config_invalid] tasks.more.source: there is no source "ordres"; did you mean orders?',
    );
  });

  it('changes neither of what it was given', () => {
    const before = structuredClone(current);
    applyChanges(current, just({ sources: { orders: { type: 'sqlite', path: '/a' } } }), { prune: false });
    expect(current).toEqual(before);
  });
});

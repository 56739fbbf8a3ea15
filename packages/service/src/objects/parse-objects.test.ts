// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { describe, expect, it } from 'vitest';
import { parseText, shop } from './objects.fixture.ts';
import { parseObjects } from './parse-objects.ts';
import { testRules } from './schedule-rules.fixture.ts';
import { schedulerRules } from './scheduler-rules.ts';

const parse = (...texts: string[]) =>
  parseObjects(
    texts.map((text, i) => ({ name: `${i + 1}.yaml`, text })),
    testRules,
  );

describe('files of objects', () => {
  it('become what they declare, with defaults filled in', () => {
    const { objects, warnings } = parseText(shop);
    expect(warnings).toEqual([]);
    expect(objects).toEqual({
      sources: { orders: { type: 'postgres', url: '${env:ORDERS_URL}' } },
      destinations: {
        far: { type: 'folder', path: '/mnt/far', mount: 'required' },
        near: { type: 'folder', path: '/var/backups' },
      },
      tasks: {
        orders: {
          source: 'orders',
          type: 'logical',
          full: '0 2 * * 0',
          timezone: 'UTC',
          destinations: ['near', 'far'],
          require: 'all',
        },
      },
      notifications: {
        dba: {
          type: 'email',
          server: 'smtp://mail.example',
          from: 'a@example.com',
          to: ['b@example.com'],
          on: ['failure', 'recovery', 'overdue', 'behind'],
        },
      },
    });
  });

  it('may be several, with several documents, and refer to each other', () => {
    const parts = shop.split(/^(?=\w)/m);
    expect(parse(parts.join('---\n')).objects).toEqual(parseText(shop).objects);
    expect(parse(...parts.reverse()).objects).toEqual(parseText(shop).objects);
  });

  it('may refer to what is declared already, unless that is to go', () => {
    const current = parseText(shop).objects;
    const files = [
      {
        name: 'o.yaml',
        text: 'tasks: { more: { source: orders, full: "0 1 * * *", destinations: [near] } }',
      },
    ];
    expect(Object.keys(parseObjects(files, testRules, { current }).objects.tasks)).toEqual(['more']);
    expect(() => parseObjects(files, testRules, { current, prune: true })).toThrow(
      'there is no source "orders"',
    );
    expect(() => parseObjects(files, testRules)).toThrow('there is no source "orders"');
  });

  it('take a flag that is not set for one that is not there', () => {
    expect(parseText(shop.replace('path: /var/backups', 'path: /var/backups, disabled: false'))).toEqual(
      parseText(shop),
    );
  });

  it('may use names that are members of every object', () => {
    const text = shop.replaceAll('near', 'constructor').replaceAll('far', 'valueof');
    expect(Object.keys(parseText(text).objects.destinations)).toEqual(['constructor', 'valueof']);
    expect(() => parseText(text.replace('[constructor, valueof]', '[constructor, tostring]'))).toThrow(
      'there is no destination "tostring"',
    );
  });

  it('take what the scheduler takes, and are told what it says', () => {
    const files = (line: string) => [{ name: 'o.yaml', text: shop.replace('full: "0 2 * * 0"', line) }];
    const blackout = 'blackout: [{ from: "00:00", to: "24:00" }]';
    expect(() =>
      parseObjects(files('full: "*/10 0 2 * * mon"\n    timezone: Europe/Kyiv'), schedulerRules),
    ).not.toThrow();
    expect(() => parseObjects(files('full: "99 * * * *"'), schedulerRules)).toThrow(
      'o.yaml:9:11: tasks.orders.full: ',
    );
    expect(() => parseObjects(files(`full: "@daily"\n    ${blackout}`), schedulerRules)).toThrow(
      'o.yaml:10:15: tasks.orders.blackout: the windows leave no time of the week; leave some time in which backups may start',
    );
  });
});

describe('what is allowed and probably not meant', () => {
  it.each([
    [
      'all destinations of a task are disabled',
      shop.replaceAll(/path: (\S+?)(,| })/g, 'path: $1, disabled: true$2'),
      { where: 'o.yaml:10:19', text: 'tasks.orders.destinations: All backup destinations are disabled' },
    ],
    [
      'fewer destinations are enabled than must hold a backup',
      shop
        .replace('/var/backups', '/var/backups, disabled: true')
        .replace('[near, far]', '[near, far]\n    require: 2'),
      {
        where: 'o.yaml:11:14',
        text: 'tasks.orders.require: 2 destinations must hold a backup, and only 1 of them is not disabled',
      },
    ],
    [
      'a source is not used',
      shop.replace('sources:', 'sources:\n  other: { type: sqlite, path: /a.db }'),
      { where: 'o.yaml:2:3', text: 'sources.other: is used by no task' },
    ],
    [
      'a destination is not used',
      shop.replace('[near, far]', '[near]'),
      { where: 'o.yaml:5:3', text: 'destinations.far: is used by no task' },
    ],
    [
      'both schedules are the same',
      shop.replace('full: "0 2 * * 0"', 'full: "0 2 * * 0"\n    incremental: "0  2 * * 0 "'),
      {
        where: 'o.yaml:10:18',
        text: 'tasks.orders.incremental: is the same as full, and full wins a tie: there will be no incremental backup',
      },
    ],
  ])('warns when %s', (_, text, warning) => {
    const rules = { ...testRules, assertCron: () => undefined };
    expect(parseObjects([{ name: 'o.yaml', text }], rules).warnings).toEqual([warning]);
  });

  it('is not told of what the files do not touch', () => {
    const current = parseText(shop.replace('[near, far]', '[near]')).objects;
    const files = [{ name: 'o.yaml', text: 'notifications: { a: { type: webhook, url: "http://h/" } }' }];
    expect(parseObjects(files, testRules, { current }).warnings).toEqual([]);
  });
});

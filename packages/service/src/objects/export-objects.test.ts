// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { type DeclaredObjects, type DeclaredTask, namePattern } from '@holdfast/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exportObjects } from './export-objects.ts';
import { parseText, shop } from './objects.fixture.ts';
import { planObjects } from './plan-objects.ts';

it('an export is a file in a stable order', () => {
  const text = exportObjects(parseText(shop).objects);
  expect(text).toBe(`sources:
  orders:
    type: postgres
    url: \${env:ORDERS_URL}
destinations:
  far:
    type: folder
    path: /mnt/far
    mount: required
  near:
    type: folder
    path: /var/backups
tasks:
  orders:
    source: orders
    type: logical
    full: 0 2 * * 0
    timezone: UTC
    destinations:
      - near
      - far
    require: all
notifications:
  dba:
    type: email
    from: a@example.com
    on:
      - failure
      - recovery
      - overdue
      - behind
    server: smtp://mail.example
    to:
      - b@example.com
`);
  expect(exportObjects(parseText(text).objects)).toBe(text);
});

const name = fc.oneof(
  fc.stringMatching(namePattern),
  // Words that YAML takes for something else, and members of every object.
  fc.constantFrom('null', 'true', 'no', 'constructor', '0x10', '12', '1e3', '0', 'tostring'),
);
const pathPart = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/[/\0]|\$\{/.test(text) && text !== '.' && text !== '..');
const path = fc.array(pathPart, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
const postgres = fc
  .constantFrom(
    '${env:URL}',
    'postgres://u:${file:/run/a b}@h1,h2:5433/db?sslmode=require',
    "postgres://h/d'b#x",
  )
  .map((url) => ({ type: 'postgres', url }));
const sqlite = path.map((file) => ({ type: 'sqlite', path: file }));
const on = fc.subarray(['failure', 'recovery', 'overdue', 'behind'] as const, { minLength: 1 });
const notification = fc.oneof(
  fc.record({ type: fc.constant('webhook' as const), url: fc.constant('https://h/?a=b'), on }),
  fc.record({
    type: fc.constant('email' as const),
    server: fc.constant('smtp://u:${env:P}@h'),
    from: fc.constant('Me <a@b>'),
    to: fc.constant(['c@d']),
    on,
  }),
);
const cron = fc.constantFrom('0 2 * * *', '*/15 * * * *', '0 0 3 * * 1-5');
const hours = { from: '08:00', to: '18:00', timezone: 'Europe/Berlin', limit: '500kB/s' };
const timeOfDay = fc.constantFrom('00:00', '08:30', '22:00');

function taskAmong(sources: string[], destinations: string[]): fc.Arbitrary<DeclaredTask> {
  return fc
    .record({
      source: fc.constantFrom(...sources),
      type: fc.constantFrom('logical' as const, 'snapshot' as const),
      full: cron,
      incremental: maybe(cron),
      timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
      destinations: fc.shuffledSubarray(destinations, { minLength: 1 }),
      require: fc.constantFrom('all' as const, 1),
      disabled: maybe(fc.constant(true)),
      jitter: maybe(fc.constantFrom('0s', '1h30m')),
      blackout: maybe(
        fc.array(
          fc.record(
            { from: timeOfDay, to: fc.constant('23:59'), days: fc.constant(['mon', 'sun']) },
            // As files and stores make them.
            { noNullPrototype: true },
          ),
          {
            minLength: 1,
            maxLength: 2,
          },
        ),
      ),
      overdueAfter: maybe(fc.constant('14d')),
      behindAfter: maybe(fc.constant('6h')),
      staging: maybe(fc.constantFrom('whole', 'stream')),
    })
    .map(
      (task) => Object.fromEntries(Object.entries(task).filter(([, value]) => value !== undefined)) as never,
    );
}

const objects: fc.Arbitrary<DeclaredObjects> = fc
  .record({
    sources: fc.dictionary(name, fc.oneof(postgres, sqlite), { minKeys: 1, maxKeys: 4 }),
    places: fc.uniqueArray(fc.tuple(name, fc.nat(9)), {
      minLength: 1,
      maxLength: 4,
      selector: ([key]) => key,
    }),
    folder: path,
    notifications: fc.dictionary(name, notification, { maxKeys: 3 }),
  })
  .chain(({ sources, places, folder, notifications }) => {
    const destinations = Object.fromEntries(
      places.map(([key], i) => [
        key,
        {
          type: 'folder',
          path: `${folder}/${i}`,
          ...(i % 2 === 1 && { disabled: true, verify: 'full' }),
          ...(i % 3 === 1 && { bandwidth: '5MiB/s' }),
          ...(i % 3 === 2 && { bandwidth: { limit: '5MiB/s', schedule: [hours] } }),
        },
      ]),
    );
    const task = taskAmong(Object.keys(sources), Object.keys(destinations));
    return fc
      .dictionary(name, task, { maxKeys: 4 })
      .map((tasks) => ({ sources, destinations, tasks, notifications }));
  });

it('an export reads back as what it was made of, and changes nothing', () => {
  fc.assert(
    fc.property(objects, (declared) => {
      const again = parseText(exportObjects(declared)).objects;
      expect(again).toEqual(structuredClone(declared));
      expect(planObjects(declared, again, { prune: true })).toEqual([]);
    }),
  );
});

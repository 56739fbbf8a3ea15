// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { describe, expect, it } from 'vitest';
import { declaredDestinations } from './declared-drivers.ts';
import { problemsOf, shop } from './objects.fixture.ts';
import { parseObjects } from './parse-objects.ts';
import { testRules } from './schedule-rules.fixture.ts';

const secretRule = 'secrets are never stored: write ${env:NAME} or ${file:/PATH} in its place';
const nameRule = 'a name of up to 63 small letters, digits and hyphens';
const durationRule = 'with its unit, such as 15s, 5m, 1h30m or 14d';

describe('a bad file', () => {
  it.each([
    ['', 'o.yaml:1:1: declares nothing: expected sources, destinations, tasks, notifications'],
    [
      '# nothing\n---\n',
      'o.yaml:1:1: declares nothing: expected sources, destinations, tasks, notifications',
    ],
    ['just text', 'o.yaml:1:1: expected a mapping with sources, destinations, tasks, notifications'],
    ['- a', 'o.yaml:1:1: expected a mapping with sources, destinations, tasks, notifications'],
    ['soruces: {}', 'o.yaml:1:1: soruces: is not known; did you mean sources?'],
    [
      '"a\\nb.c": {}',
      'o.yaml:1:1: "a\\nb.c": is not known; known are sources, destinations, tasks, notifications',
    ],
    ['x: {}', 'o.yaml:1:1: x: is not known; known are sources, destinations, tasks, notifications'],
    ['tasks: [a]', 'o.yaml:1:8: tasks: expected a mapping of tasks by their names'],
    ['sources: postgres://u:hunter2@h', 'o.yaml:1:10: sources: expected a mapping of sources by their names'],
    ['\0', 'o.yaml:1:1: expected a mapping with sources, destinations, tasks, notifications'],
    ['tasks:\n\ta: 1', 'o.yaml:2:1: a tab where YAML wants spaces: indent with spaces'],
  ])('%j is refused', (text, problem) => expect(problemsOf(text)).toEqual([problem]));

  it('is refused when it is too big, or declares too much', () => {
    const files = [
      { name: 'a.yaml', text: '# a\n' },
      { name: 'b.yaml', text: `# ${'é'.repeat(2 * 1024 * 1024)}` },
    ];
    expect(() => parseObjects(files, testRules)).toThrow(
      '[config_invalid] b.yaml:1:1: too much to read: at most 4194304 bytes of objects, all files together',
    );
    const many = (name: string) => Array.from({ length: 5001 }, (_, i) => `  ${name}${i}: {}\n`).join('');
    const text = `sources:\n${many('a')}destinations:\n${many('b')}`;
    expect(() => parseObjects([{ name: 'o.yaml', text }], testRules)).toThrow(
      /^\[config_invalid\] 10001 problems in the objects:\n(.*\n){20} {2}and 9981 more$/,
    );
    expect(problemsOf(`sources:\n${many('a')}${many('b')}`)).toEqual([
      'o.yaml:2:3: a mapping of 10002: expected at most 10000',
    ]);
    const list = (count: number) => `tasks: { a: { destinations: [${'1,'.repeat(count)}] } }`;
    expect(problemsOf(list(1001))).toEqual(['o.yaml:1:29: a list of 1001: expected at most 1000']);
    expect(problemsOf(list(1_000_000))).toEqual([
      'o.yaml:1:1: too much to read: expected at most 500000 words and signs',
    ]);
  });

  it('is refused when another one has the same name, with both places', () => {
    const files = ['a.yaml', 'b.yaml'].map((name) => ({ name, text: shop.split('tasks')[0] ?? '' }));
    expect(() => parseObjects(files, testRules)).toThrow(
      [
        '[config_invalid] 3 problems in the objects:',
        '  b.yaml:2:3: sources.orders: is there twice, first at a.yaml:2:3',
        '  b.yaml:4:3: destinations.near: is there twice, first at a.yaml:4:3',
        '  b.yaml:5:3: destinations.far: is there twice, first at a.yaml:5:3',
      ].join('\n'),
    );
  });

  it('is told with all its problems, in the order of its lines', () => {
    const text = shop
      .replace('orders\n    full', 'order\n    ful')
      .replace('near, far', 'naer, far')
      .replace('a@e', 'e');
    expect(problemsOf(text)).toEqual([
      'o.yaml:7:3: tasks.orders.full: is missing: expected full, incremental or both',
      'o.yaml:8:13: tasks.orders.source: there is no source "order"; did you mean orders?',
      'o.yaml:9:5: tasks.orders.ful: is not known; did you mean full?',
      'o.yaml:10:20: tasks.orders.destinations[0]: there is no destination "naer"; did you mean near?',
      'o.yaml:12:60: notifications.dba.from: expected a mail address such as dba@example.com, not "example.com"',
    ]);
  });
});

describe('a bad source', () => {
  const source = (fields: string): string => shop.replace(/(?<=orders: ).*(?=\ndest)/, fields);
  const at = 'o.yaml:2';
  it.each([
    ['5', `${at}:11: sources.orders: expected a mapping`],
    ['{}', `${at}:3: sources.orders.type: is missing: expected postgres or sqlite`],
    [
      '{ type: postgress }',
      `${at}:19: sources.orders.type: expected a type of source, postgres or sqlite, not "postgress"; did you mean postgres?`,
    ],
    ['{ type: [a] }', `${at}:19: sources.orders.type: expected a type of source, postgres or sqlite`],
    [
      '{ type: postgres }',
      `${at}:3: sources.orders.url: is missing: expected a URL such as postgres://backup:\${file:/run/secrets/orders}@db1,db2/orders, or a placeholder for the whole of it`,
    ],
    [
      '{ type: postgres, url: "postgres://u:hunter2@h" }',
      `${at}:34: sources.orders.url: holds a secret, and ${secretRule}`,
    ],
    [
      '{ type: postgres, url: "${env:A" }',
      `${at}:34: sources.orders.url: holds a placeholder without a closing brace; expected \${env:NAME} or \${file:/PATH}`,
    ],
    [
      '{ type: postgres, url: "sqlite:/a" }',
      `${at}:34: sources.orders.url: expected a URL that begins with postgres: or postgresql:, not with sqlite:`,
    ],
    [
      '{ type: postgres, url: "postgers://h" }',
      `${at}:34: sources.orders.url: expected a URL that begins with postgres: or postgresql:, not with postgers:; did you mean postgres?`,
    ],
    [
      '{ type: postgres, url: "h/db" }',
      `${at}:34: sources.orders.url: expected a URL that begins with postgres: or postgresql:`,
    ],
    [
      '{ type: postgres, url: "postgres://h/a b" }',
      `${at}:34: sources.orders.url: holds a space or a control character: write %20 for a space in a URL`,
    ],
    [
      '{ type: postgres, url: "${env:A}", tiemout: 5 }',
      `${at}:46: sources.orders.tiemout: is not known; known are url, type`,
    ],
    [
      '{ type: postgres, url: "${env:A}", disabled: true }',
      `${at}:46: sources.orders.disabled: is not known; known are url, type`,
    ],
    ['{ type: sqlite }', `${at}:3: sources.orders.path: is missing: expected path or url`],
    [
      '{ type: sqlite, path: /a, url: "sqlite:/a" }',
      `${at}:42: sources.orders.url: is there beside path: expected one of the two`,
    ],
    [
      '{ type: sqlite, path: ./a.db }',
      `${at}:33: sources.orders.path: expected a path from the root, such as /srv/shop/shop.db: nodes work in different folders, so "./a.db" would be another one on each`,
    ],
    [
      '{ type: sqlite, path: "~/a.db" }',
      `${at}:33: sources.orders.path: ~ is the shell's: expected a path from the root, such as /srv/shop/shop.db`,
    ],
    [
      '{ type: sqlite, url: "sqlite:a.db" }',
      `${at}:32: sources.orders.url: expected paths from the root, such as sqlite:/srv/shop/shop.db: nodes work in different folders`,
    ],
    [
      '{ type: sqlite, url: "sqlite:/a.db?attach=b:b.db" }',
      `${at}:32: sources.orders.url: expected paths from the root, such as sqlite:/srv/shop/shop.db: nodes work in different folders`,
    ],
  ])('%s is refused', (fields, problem) => expect(problemsOf(source(fields))).toEqual([problem]));

  it('by its name is refused with the name that would do', () => {
    expect(problemsOf(shop.replace('orders: {', 'Web_Orders: {'))).toContain(
      `o.yaml:2:3: sources.Web_Orders: expected ${nameRule}, not "Web_Orders"; did you mean web-orders?`,
    );
  });
});

describe('a bad destination', () => {
  const destination = (fields: string): string => shop.replace(/(?<=near: ).*/, fields);
  const at = 'o.yaml:4';
  const types = declaredDestinations.map(({ type }) => type).join(' or ');
  it.each([
    [
      '{ type: s4 }',
      `${at}:17: destinations.near.type: expected a type of destination, ${types}, not "s4"; did you mean s3?`,
    ],
    [
      '{ type: folder }',
      `${at}:3: destinations.near.path: is missing: expected a path from the root, such as /var/backups/holdfast`,
    ],
    [
      '{ type: folder, path: backups }',
      `${at}:31: destinations.near.path: expected a path from the root, such as /var/backups/holdfast: nodes work in different folders, so "backups" would be another one on each`,
    ],
    [
      '{ type: folder, path: "file:/b" }',
      `${at}:31: destinations.near.path: expected a path, not a URL; did you mean /b?`,
    ],
    [
      '{ type: folder, path: "/b/${env:X}" }',
      `${at}:31: destinations.near.path: expected a path without placeholders: they are for secrets`,
    ],
    ['{ type: folder, path: "/b\\0" }', `${at}:31: destinations.near.path: holds a NUL character`],
    [
      '{ type: folder, path: /b, disabled: yes }',
      `${at}:45: destinations.near.disabled: expected true or false, not "yes"`,
    ],
    [
      '{ type: folder, path: /b, disable: true }',
      `${at}:35: destinations.near.disable: is not known; did you mean disabled?`,
    ],
    [
      '{ type: folder, path: /b, mount: yes }',
      `${at}:42: destinations.near.mount: expected required, not "yes"`,
    ],
  ])('%s is refused', (fields, problem) => expect(problemsOf(destination(fields))).toEqual([problem]));

  it('is one that names the same place as another', () => {
    expect(problemsOf(destination('{ type: folder, path: /mnt//x/../far/ }'))).toEqual([
      'o.yaml:4:3: destinations.near: names the same place as destinations.far: two copies in one place are one copy',
    ]);
  });
});

describe('a bad task', () => {
  const task = (fields: string): string =>
    shop.replace(/(?<=tasks:\n {2}orders:\n)[\s\S]*?(?=\nnot)/, `    ${fields}`);
  const good = 'source: orders, full: "0 2 * * 0", destinations: [near, far]';
  const at = 'o.yaml:8';
  const column = `{ ${good}, `.length + 5;
  const field = (name: string): string => `${at}:${column + name.length + 2}: tasks.orders.${name}`;
  it.each([
    [
      `{ ${good}, type: logicl }`,
      `${field('type')}: expected logical or snapshot, not "logicl"; did you mean logical?`,
    ],
    [
      `{ ${good}, incremental: "61 x" }`,
      `${field('incremental')}: "61 x" is no cron expression; write five fields`,
    ],
    [
      `{ ${good}, incremental: 5 }`,
      `${field('incremental')}: expected a cron expression such as "0 2 * * *", not 5`,
    ],
    [`{ ${good}, timezone: Mars }`, `${field('timezone')}: there is no time zone "Mars"`],
    [
      `{ ${good}, require: 3 }`,
      `${field('require')}: expected all or a number up to that of its destinations, 2, not 3`,
    ],
    [`{ ${good}, require: 0 }`, `${field('require')}: expected all or a whole number from 1 to 16, not 0`],
    [
      `{ ${good}, require: most }`,
      `${field('require')}: expected all or a whole number from 1 to 16, not "most"`,
    ],
    [
      `{ ${good}, jitter: 2 }`,
      `${field('jitter')}: expected a duration from 0s to 24h ${durationRule}, not 2`,
    ],
    [
      `{ ${good}, jitter: 2d }`,
      `${field('jitter')}: expected a duration from 0s to 24h ${durationRule}, not "2d"`,
    ],
    [
      `{ ${good}, overdueAfter: 59s }`,
      `${field('overdueAfter')}: expected a duration from 1m to 366d ${durationRule}, not "59s"`,
    ],
    [`{ ${good}, blackout: [] }`, `${field('blackout')}: is empty: expected a list of windows`],
    [`{ ${good}, blackout: {} }`, `${field('blackout')}: expected a list of windows`],
    [
      `{ ${good}, retention: {} }`,
      `${at}:${column}: tasks.orders.retention: is not known; known are source, type, full, incremental, timezone, destinations, require, disabled, jitter, blackout, overdueAfter, behindAfter, staging, nodes`,
    ],
    [
      '{ source: orders, destinations: [near, far] }',
      'o.yaml:7:3: tasks.orders.full: is missing: expected full, incremental or both',
    ],
    [
      '{ source: orders, full: "0 2 * * 0", destinations: [] }',
      `${at}:56: tasks.orders.destinations: is empty: expected a list of names of destinations`,
    ],
    [
      '{ source: orders, full: "0 2 * * 0", destinations: near }',
      `${at}:56: tasks.orders.destinations: expected a list of names of destinations, 1 to 16 of them, not "near"`,
    ],
    [
      '{ source: orders, full: "0 2 * * 0", destinations: [near, near] }',
      `${at}:63: tasks.orders.destinations[1]: "near" is named twice`,
    ],
    [
      '{ source: order, full: "0 2 * * 0", destinations: [near] }',
      `${at}:15: tasks.orders.source: there is no source "order"; did you mean orders?`,
    ],
    [
      '{ source: xyz, full: "0 2 * * 0", destinations: [near] }',
      `${at}:15: tasks.orders.source: there is no source "xyz"`,
    ],
    [
      '{ source: orders, full: "0 2 * * 0", destinations: [fra] }',
      `${at}:57: tasks.orders.destinations[0]: there is no destination "fra"; did you mean far?`,
    ],
  ])('%s is refused', (fields, problem) => expect(problemsOf(task(fields))).toEqual([problem]));

  it('that says nothing is told what it needs', () => {
    expect(problemsOf(task('{}'))).toEqual([
      `o.yaml:7:3: tasks.orders.source: is missing: expected ${nameRule}`,
      'o.yaml:7:3: tasks.orders.destinations: is missing: expected a list of names of destinations, 1 to 16 of them',
    ]);
  });

  it.each([
    [
      '{ from: 8, to: "9:00" }',
      [
        'from: expected a time of day from 00:00 to 23:59, such as "22:30", not 8',
        'to: expected a time of day from 00:00 to 24:00, such as "22:30", not "9:00"',
      ],
    ],
    [
      '{ from: "24:00", to: "24:01" }',
      [
        'from: expected a time of day from 00:00 to 23:59, such as "22:30", not "24:00"',
        'to: expected a time of day from 00:00 to 24:00, such as "22:30", not "24:01"',
      ],
    ],
    ['{ from: 08:00, to: 08:00 }', ['to: expected a time other than from, 08:00']],
    ['{ from: 08:00, to: 09:00, day: mon }', ['day: is not known; did you mean days?']],
    [
      '{ from: 08:00, to: 09:00, days: [Mon] }',
      ['days[0]: expected one of mon, tue, wed, thu, fri, sat, sun, not "Mon"; did you mean mon?'],
    ],
    [
      '{ from: 08:00, to: 09:00, days: [] }',
      ['days: is empty: expected a list of days, mon, tue, wed, thu, fri, sat, sun'],
    ],
  ])('is one with the window %s', (window, problems) => {
    const found = problemsOf(task(`{ ${good}, blackout: [${window}] }`));
    expect(found.map((each) => each.replace(/^.*?: tasks\.orders\.blackout\[0\]\./, ''))).toEqual(problems);
  });
});

describe('a bad notification', () => {
  const notification = (fields: string): string => shop.replace(/(?<=dba: ).*/, fields);
  const at = 'o.yaml:12';
  const mail = 'type: email, server: "smtps://h", from: a@b, to: [c@d]';
  it.each([
    [
      '{ type: slack }',
      `${at}:16: notifications.dba.type: expected a type of notification, webhook or email, not "slack"`,
    ],
    [
      '{ type: webhook, url: "ftp://h" }',
      `${at}:30: notifications.dba.url: expected a URL that begins with https: or http:, not with ftp:`,
    ],
    [
      '{ type: webhook, url: "https://h/?token=hunter2" }',
      `${at}:30: notifications.dba.url: holds a secret, and ${secretRule}`,
    ],
    [
      '{ type: webhook, url: "https://h", secret: hunter2 }',
      `${at}:51: notifications.dba.secret: expected a placeholder, \${env:NAME} or \${file:/PATH}: secrets are never stored`,
    ],
    [
      '{ type: webhook, url: "https://h", secret: "x${env:A}" }',
      `${at}:51: notifications.dba.secret: expected a placeholder, \${env:NAME} or \${file:/PATH}: secrets are never stored`,
    ],
    [
      '{ type: webhook, url: "https://h", on: [] }',
      `${at}:47: notifications.dba.on: is empty: expected a list of events, failure, recovery, overdue, behind`,
    ],
    [
      '{ type: webhook, url: "https://h", on: [fail] }',
      `${at}:48: notifications.dba.on[0]: expected one of failure, recovery, overdue, behind, not "fail"`,
    ],
    [
      `{ ${mail.replace('smtps://h', 'smtp://u:hunter2@h')} }`,
      `${at}:31: notifications.dba.server: holds a secret, and ${secretRule}`,
    ],
    [
      `{ ${mail.replace('a@b', '"a@b\\nBcc: x@y"')} }`,
      `${at}:50: notifications.dba.from: expected a mail address such as dba@example.com, not "a@b\\nBcc: x@y"`,
    ],
    [
      `{ ${mail.replace('c@d', 'c')} }`,
      `${at}:60: notifications.dba.to[0]: expected a mail address such as dba@example.com, not "c"`,
    ],
    [`{ ${mail}, ton: [] }`, `${at}:66: notifications.dba.ton: is not known; did you mean to?`],
  ])('%s is refused', (fields, problem) => expect(problemsOf(notification(fields))).toEqual([problem]));
});

it('no message ever shows a secret', () => {
  for (const text of [
    'sources: { a: "postgres://u:hunter2@h" }',
    'sources: { a: { type: postgres, url: ["postgres://u:hunter2@h"] } }',
    'sources: { a: { type: postgres, url: "u:hunter2@h" } }',
    'notifications: { a: { type: webhook, url: "https://h", secret: { value: hunter2 } } }',
    'notifications: { a: { type: webhook, url: "https://h", secret: [hunter2 } }',
  ]) {
    expect(problemsOf(text).length).toBeGreaterThan(0);
    expect(problemsOf(text).join('\n')).not.toContain('hunter2');
  }
});

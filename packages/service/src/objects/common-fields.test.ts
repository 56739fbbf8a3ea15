// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { type DeclaredDestination, HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { findDestinationDriver } from '../drivers.ts';
import { interpolate } from '../interpolate.ts';
import { declaredDestinations } from './declared-drivers.ts';
import { exportObjects } from './export-objects.ts';
import { formatPlan } from './format-plan.ts';
import { parseText, problemsOf } from './objects.fixture.ts';
import { planObjects } from './plan-objects.ts';
import { destinationAddress, destinationUrl } from './run-targets.ts';

const sftp = (fields: string): string =>
  `destinations:\n  far: { type: sftp, host: h, user: u, path: /srv, ${fields} }\n`;
const at = 'o.yaml:2';
const rate =
  'expected bytes per second with their unit, such as 500kB/s, 50MiB/s or 1.5GiB/s, from 1kB/s to 1TiB/s';

describe('a destination of any type', () => {
  it('says who is asked for credentials, how fast it may be, and how it is verified', () => {
    const { objects } = parseText(
      sftp('credentials: { command: [/bin/keys, a, a] }, bandwidth: { limit: 1MB/s }, verify: full'),
    );
    expect(destinationAddress(objects.destinations.far as DeclaredDestination)).toEqual({
      url: 'sftp://u@h/srv',
      credentials: { command: ['/bin/keys', 'a', 'a'], timeoutMs: 10_000 },
      rate: { bytesPerSecond: 1_000_000 },
      verify: 'full',
    });
  });

  it('is planned and exported with all of it', () => {
    const text = sftp(
      'credentials: { command: [keys, a], timeout: 1m }, bandwidth: { schedule: [{ from: "08:00", to: "18:00", limit: 5MiB/s }] }',
    );
    const { objects } = parseText(text);
    const before = parseText(sftp('bandwidth: 5MiB/s')).objects;
    expect(formatPlan(planObjects(before, objects, { prune: false }))).toBe(
      [
        '~ destination far',
        '    bandwidth: 5MiB/s -> {schedule: [{from: 08:00, to: 18:00, timezone: UTC, limit: 5MiB/s}]}',
        '    credentials.command: (not set) -> [keys, a]',
        '    credentials.timeout: (not set) -> 1m',
        '0 to add, 1 to change, 0 to remove\n',
      ].join('\n'),
    );
    expect(parseText(exportObjects(objects)).objects).toEqual(objects);
  });

  it.each([
    ['credentials: /bin/keys', `${at}:65: destinations.far.credentials: expected a mapping, not this text`],
    [
      'credentials: {}',
      `${at}:52: destinations.far.credentials.command: expected a list: the program and its arguments, such as [/usr/local/bin/keys, backup]`,
    ],
    [
      'credentials: { command: [] }',
      `${at}:76: destinations.far.credentials.command: is empty: expected the program and its arguments`,
    ],
    [
      'credentials: { command: [./keys] }',
      `${at}:77: destinations.far.credentials.command[0]: expected the path of a program from the root, or the name of one on PATH: nodes work in different folders`,
    ],
    [
      'credentials: { command: [keys, "${env:KEY}"] }',
      `${at}:83: destinations.far.credentials.command[1]: expected an argument without placeholders: nothing is filled in here; let the program find its secret itself`,
    ],
    [
      'credentials: { command: [keys, --password=hunter2] }',
      `${at}:83: destinations.far.credentials.command[1]: holds a secret, which everybody on the machine can read in the list of processes: let the program find it itself`,
    ],
    [
      'credentials: { command: [keys], timeout: 10 }',
      `${at}:93: destinations.far.credentials.timeout: expected a duration from 1s to 5m with its unit, such as 15s, 5m, 1h30m or 14d, not 10`,
    ],
    ['bandwidth: 50MiB', `${at}:63: destinations.far.bandwidth: ${rate}, not "50MiB"; did you mean 50MiB/s?`],
    [
      'bandwidth: { limt: 5MB/s }',
      `${at}:65: destinations.far.bandwidth.limt: is not known; did you mean limit?`,
    ],
    ['verify: all', `${at}:60: destinations.far.verify: expected sample or full, not "all"`],
  ])('%s is refused', (fields, problem) => expect(problemsOf(sftp(fields))).toContain(problem));

  it('lets nobody in where it is a folder', () => {
    expect(
      problemsOf('destinations:\n  a: { type: folder, path: /a, credentials: { command: [x] } }\n'),
    ).toEqual([expect.stringMatching(/^o\.yaml:2:32: destinations\.a\.credentials: is not known/)]);
  });
});

it('a task says how long a destination may be behind', () => {
  const task = (text: string): string =>
    `tasks: { a: { source: s, full: "0 2 * * *", destinations: [d], behindAfter: ${text} } }`;
  expect(problemsOf(task('6')).join()).toContain('tasks.a.behindAfter: expected a duration from 1m to 366d');
});

describe('the example of', () => {
  it.each(declaredDestinations)('$type opens as a URL of its driver', async ({ type, example }) => {
    const { signal } = new AbortController();
    const file = `destinations: ${JSON.stringify({ it: { type, ...example } })}`;
    const { objects } = parseText(file);
    const placeholder = /\$\{[^}]*\}/g;
    const url = destinationUrl(objects.destinations.it as DeclaredDestination).replace(
      placeholder,
      '${env:SECRET}',
    );
    const env = { SECRET: Buffer.alloc(64, 7).toString('base64') };
    const driver = await findDestinationDriver(url);
    expect(driver.type).toBe(type);
    // A driver of a network opens without a word to its server, or fails because there is none: the URL is read either way.
    const opened = await driver
      .open(await interpolate(url, { signal, env }), { signal })
      .catch(HoldfastError.from);
    if (opened instanceof HoldfastError) expect(opened.code, opened.message).not.toBe('config_invalid');
    else await opened[Symbol.asyncDispose]();
  });
});

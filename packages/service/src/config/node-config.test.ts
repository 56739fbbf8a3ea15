// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNodeConfig, type NodeConfig, parseNodeConfig } from './node-config.ts';
import { splitAddress } from './node-config-table.ts';

const facts = { env: {}, cores: 8, homedir: '/home/me', hostname: 'DB1.example.com', isRoot: false };
const file = '/etc/holdfast/holdfast.yaml';
const parse = (text: string, over = {}): NodeConfig => parseNodeConfig({ file, text }, { ...facts, ...over });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a node without a file', () => {
  it('has a default for everything', async () => {
    expect(await loadNodeConfig(undefined, { ...facts, homedir: folder })).toEqual({
      file: undefined,
      name: 'db1-example-com',
      state: `${folder}/.local/state/holdfast`,
      staging: `${folder}/.local/state/holdfast/staging`,
      stagingBytesMax: undefined,
      bandwidth: undefined,
      listen: { address: '127.0.0.1:6362', tls: undefined, token: undefined, hosts: [] },
      store: { type: 'embedded', path: `${folder}/.local/state/holdfast/store.db` },
      storeWaitMs: 0,
      cluster: { secret: undefined, advertise: undefined, aliveForMs: 10_000, moveAfterMs: 30_000 },
      limits: { runs: 4, perSource: 1, historyPerTask: 500, workers: 4, stallAfterMs: 600_000 },
      log: { level: 'info', format: 'json' },
      tags: [],
      stop: { drainForMs: 30_000 },
    });
  });

  it('has other folders as root, or where the environment says so', () => {
    expect(parse('', { isRoot: true }).state).toBe('/var/lib/holdfast');
    expect(parse('', { env: { XDG_STATE_HOME: '/s' } }).state).toBe('/s/holdfast');
    expect(parse('', { env: { XDG_STATE_HOME: 's' } }).state).toBe('/home/me/.local/state/holdfast');
    expect(parse('', { env: { HOLDFAST_STAGING: '/big' } }).staging).toBe('/big');
    expect(parse('staging: /mine', { env: { HOLDFAST_STAGING: '/big' } }).staging).toBe('/mine');
  });

  it('runs at least one backup at once, with at least one thread', () => {
    expect(parse('', { cores: 1 }).limits).toMatchObject({ runs: 1, workers: 1 });
  });
});

describe('the file of a node', () => {
  it('is read from its default place when it is there', async () => {
    mkdirSync(join(folder, 'x', 'holdfast'), { recursive: true });
    writeFileSync(join(folder, 'x', 'holdfast', 'holdfast.yaml'), 'name: here\n');
    const config = await loadNodeConfig(undefined, { ...facts, env: { XDG_CONFIG_HOME: join(folder, 'x') } });
    expect(config).toMatchObject({ name: 'here', file: join(folder, 'x', 'holdfast', 'holdfast.yaml') });
  });

  it('names paths from its own folder, that of the token included', () => {
    const text =
      'state: ./s\nlisten: { token: "${file:token}", tls: { cert: tls/a.crt, key: /k } }\nstore: { path: ../store.db }';
    expect(parse(text)).toMatchObject({
      state: '/etc/holdfast/s',
      staging: '/etc/holdfast/s/staging',
      listen: { token: '${file:/etc/holdfast/token}', tls: { cert: '/etc/holdfast/tls/a.crt', key: '/k' } },
      store: { path: '/etc/store.db' },
    });
    expect(parse('listen: { token: "${env:TOKEN}" }').listen.token).toBe('${env:TOKEN}');
  });

  it('limits the room of staging, and what goes over the line', () => {
    expect(parse('stagingMax: 200GiB\nbandwidth: { limit: 50MiB/s }')).toMatchObject({
      stagingBytesMax: 214_748_364_800,
      bandwidth: { bytesPerSecond: 52_428_800 },
    });
    expect(parse('bandwidth: 1kB/s').bandwidth).toEqual({ bytesPerSecond: 1000 });
  });

  it('may have groups that say nothing', () => {
    expect(parse('limits:\nlog: {}\n')).toEqual(parse('# all defaults\n'));
  });
});

const aPlaceholder =
  'expected a placeholder, $' + '{env:NAME} or $' + '{file:/PATH}: secrets are never stored';

describe('a bad file of a node', () => {
  it.each([
    ['limts: {}', '1:1: limts: is not known; did you mean limits?'],
    [
      'zzz: 1',
      '1:1: zzz: is not known; known are name, state, staging, stagingMax, bandwidth, listen, store, cluster, limits, log, tags, stop',
    ],
    ['listen: { tsl: {} }', '1:11: listen.tsl: is not known; did you mean tls?'],
    ['- a', '1:1: expected a mapping, not a list'],
    ['a text', '1:1: expected a mapping, not this text'],
    ['name: 7', '1:7: name: expected a name of up to 63 small letters, digits and hyphens, not 7'],
    [
      'name: Node A',
      '1:7: name: expected a name of up to 63 small letters, digits and hyphens, not "Node A"; did you mean node-a?',
    ],
    ['limits: { runs: 0 }', '1:17: limits.runs: expected a whole number from 1 to 256, not 0'],
    ['limits: { runs: 1.5 }', '1:17: limits.runs: expected a whole number from 1 to 256, not 1.5'],
    ['limits: { runs: "2" }', '1:17: limits.runs: expected a whole number from 1 to 256, not "2"'],
    ['limits: { runs: }', '1:17: limits.runs: expected a whole number from 1 to 256, not nothing'],
    [
      'limits: { stallAfter: 10 }',
      '1:23: limits.stallAfter: expected a duration from 1m to 24h with its unit, such as 15s, 5m, 1h30m or 14d, not 10',
    ],
    [
      'log: { level: inf }',
      '1:15: log.level: expected one of debug, info, warn, error, not "inf"; did you mean info?',
    ],
    [
      'stagingMax: 200',
      '1:13: stagingMax: expected a size with its unit, such as 500MB, 64MiB or 1.5TiB, from 100MiB to 1024TiB, not 200',
    ],
    [
      'stagingMax: 1MiB',
      '1:13: stagingMax: expected a size with its unit, such as 500MB, 64MiB or 1.5TiB, from 100MiB to 1024TiB, not "1MiB"',
    ],
    [
      'bandwidth: { schedule: [{ from: "08:00", to: "18:00", limit: 5MB }] }',
      '1:62: bandwidth.schedule[0].limit: expected bytes per second with their unit, such as 500kB/s, 50MiB/s or 1.5GiB/s, from 1kB/s to 1TiB/s, not "5MB"; did you mean 5MB/s?',
    ],
    ['store: { type: zookeeper }', '1:16: store.type: expected embedded or etcd, not "zookeeper"'],
    ['store: { type: etcd }', '1:1: store.endpoints: is missing: expected the URLs of etcd members'],
    [
      'store: { type: etcd, endpoints: ["db1:2379"] }',
      '1:34: store.endpoints[0]: expected a URL of a host and a port, such as https://etcd-1:2379, not "db1:2379"',
    ],
    ['store: { endpoints: ["http://e:2379"] }', '1:21: store.endpoints: is for type: etcd'],
    [
      'store: { type: etcd, path: x, endpoints: ["http://e:2379"] }',
      '1:28: store.path: is for type: embedded',
    ],
    [
      'store: { type: etcd, endpoints: ["http://e:2379"], tls: { ca: ca.crt } }',
      '1:33: store.endpoints: expected https:// URLs, since there is tls',
    ],
    [
      'store: { type: etcd, endpoints: ["https://e:2379"], tls: { cert: a.crt } }',
      '1:58: store.tls: expected cert and key together, or neither',
    ],
    [
      'store: { type: etcd, endpoints: ["https://e:2379"], password: "${env:P}" }',
      '1:1: store.user: is missing: a password is for a user',
    ],
    [
      'store: { type: etcd, endpoints: ["https://e:2379"], user: u, password: geheim }',
      `1:72: store.password: ${aPlaceholder}`,
    ],
    [
      'cluster: { aliveFor: 1s }',
      '1:22: cluster.aliveFor: expected a duration from 2s to 5m with its unit, such as 15s, 5m, 1h30m or 14d, not "1s"',
    ],
    ['cluster: { secret: geheim }', `1:20: cluster.secret: ${aPlaceholder}`],
    [
      'cluster: { advertise: db1 }',
      '1:23: cluster.advertise: expected a URL of a host and a port, such as http://node-a.example:6362, not "db1"',
    ],
    ['state: ~/x', "1:8: state: ~ is the shell's: expected a path, such as /var/lib/holdfast"],
    ['state: "${env:X}/y"', '1:8: state: expected a path without placeholders: they are for secrets'],
    [
      'state: ""',
      '1:8: state: expected a path, such as /var/lib/holdfast; a relative path is one from the folder of this file, not an empty text',
    ],
    [
      'listen: { address: 6362 }',
      '1:20: listen.address: expected an address and a port, such as 127.0.0.1:6362 or [::1]:6362, not 6362',
    ],
    [
      'listen: { address: "::1:70000" }',
      '1:20: listen.address: expected an address and a port, such as 127.0.0.1:6362 or [::1]:6362, not "::1:70000"',
    ],
    [
      'listen: { address: "0.0.0.0:6362" }',
      '1:1: listen.token: is missing: 0.0.0.0:6362 can be called by other machines, and nobody may without a token',
    ],
    [
      'listen: { token: hunter2 }',
      '1:18: listen.token: expected a placeholder, ${env:NAME} or ${file:/PATH}: secrets are never stored',
    ],
    [
      'listen: { token: "${file:}" }',
      '1:18: listen.token: the placeholder ${file:} names no file; expected ${env:NAME} or ${file:/PATH}',
    ],
    [
      'listen: { tls: { cert: a } }',
      '1:11: listen.tls.key: is missing: expected a path, such as /etc/holdfast/tls.key; a relative path is one from the folder of this file',
    ],
    [
      'listen: { hosts: ["a:1"] }',
      '1:19: listen.hosts[0]: expected a host name without a port, such as backup.example.com, not "a:1"',
    ],
    ['tags: [a, b, a]', '1:14: tags[2]: "a" is named twice'],
    ['name: a\n---\nname: b', '3:1: a second document: expected one'],
    [
      'a: [',
      '1:5: not YAML: flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  ])('%j is refused', (text, problem) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ message: `[config_invalid] ${file}:${problem}`, code: 'config_invalid' }),
    );
  });

  it('is told with all its problems', () => {
    expect(() => parse('nam: a\nlimits: { runs: 0, perSource: 65 }')).toThrow(
      [
        '[config_invalid] 3 problems in the configuration:',
        `  ${file}:1:1: nam: is not known; did you mean name?`,
        `  ${file}:2:17: limits.runs: expected a whole number from 1 to 256, not 0`,
        `  ${file}:2:31: limits.perSource: expected a whole number from 1 to 64, not 65`,
      ].join('\n'),
    );
  });

  it('is an error when it was named and is not there, cannot be read, is no text, or too long', async () => {
    const missing = join(folder, 'missing.yaml');
    await expect(loadNodeConfig(missing, facts)).rejects.toMatchObject({
      message: `[config_invalid] the configuration ${missing} cannot be read: ENOENT`,
      hint: 'it must exist and be readable by this user',
    });
    await expect(loadNodeConfig(folder, facts)).rejects.toThrow(`${folder} cannot be read: EISDIR`);
    const binary = join(folder, 'binary.yaml');
    writeFileSync(binary, Buffer.from([0x6e, 0xff, 0xfe]));
    await expect(loadNodeConfig(binary, facts)).rejects.toThrow(
      `[config_invalid] the configuration ${binary} is not UTF-8 text`,
    );
    writeFileSync(binary, `# ${'x'.repeat(1_100_000)}`);
    await expect(loadNodeConfig(binary, facts)).rejects.toThrow(
      `[config_invalid] the configuration ${binary} is too long: 1100002 bytes, expected at most 1048576`,
    );
  });
});

it.each([
  ['127.0.0.1:6362', { host: '127.0.0.1', port: 6362 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['db1.example:80', { host: 'db1.example', port: 80 }],
  ['::1:80', undefined],
  [':80', undefined],
  ['h:65536', undefined],
  ['h', undefined],
])('the address %s is taken apart', (address, parts) => expect(splitAddress(address)).toEqual(parts));

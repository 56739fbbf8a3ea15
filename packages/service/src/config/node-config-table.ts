import { z } from 'zod';
import { bandwidth } from './bandwidth.ts';
import { choice, duration, group, list, objectName, secret, size, text, whole } from './fields.ts';

const fileRule = 'a relative path is one from the folder of this file';

function path(help: string, example: string) {
  return text({
    help,
    label: 'path',
    expected: `a path, such as ${example}; ${fileRule}`,
    check: (value) => {
      if (value.includes('${')) return 'expected a path without placeholders: they are for secrets';
      if (value.includes('\0')) return 'holds a NUL character';
      return value.startsWith('~') ? `~ is the shell's: expected a path, such as ${example}` : undefined;
    },
  });
}

const listen = group(
  {
    address: text({
      help: 'the address and port of the API and the pages; port 0 takes any that is free',
      label: 'address:port',
      expected: 'an address and a port, such as 127.0.0.1:6362 or [::1]:6362',
      check: (value) =>
        splitAddress(value) === undefined
          ? `expected an address and a port, such as 127.0.0.1:6362 or [::1]:6362, not ${JSON.stringify(value)}`
          : undefined,
    }).default('127.0.0.1:6362'),
    tls: group(
      {
        cert: path(
          'the file with the certificate and those between it and the root',
          '/etc/holdfast/tls.crt',
        ),
        key: path('the file with its key', '/etc/holdfast/tls.key'),
      },
      'HTTPS instead of HTTP',
    ).optional(),
    token: secret('what callers have to know; needed where other machines can call', {
      relativeFiles: true,
    }).optional(),
    hosts: list(
      text({
        help: 'a name',
        expected: 'a host name without a port, such as backup.example.com',
        pattern: /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/,
      }),
      {
        help: 'further names under which browsers may call, beside the address',
        label: 'list of names',
        expected: 'host names',
        least: 0,
      },
    ).default([]),
  },
  'Where the node is called',
).superRefine(({ address, token }, context) => {
  const parts = splitAddress(address);
  if (token !== undefined || parts === undefined || isOwnMachine(parts.host)) return;
  const message = `is missing: ${address} can be called by other machines, and nobody may without a token`;
  context.addIssue({ code: 'custom', path: ['token'], message });
});

const limits = group(
  {
    runs: whole(
      [1, 256],
      'runs at once on this node; above it they wait; without it, half of the cores',
    ).optional(),
    perSource: whole([1, 64], 'runs at once of one source').default(1),
    historyPerTask: whole([10, 100_000], 'runs of a task that are remembered').default(500),
    workers: whole([1, 64], 'threads of a run; without it, as many as there are cores, at most 4').optional(),
    stallAfter: duration(
      { least: '1m', most: '24h' },
      'a run without progress for so long is shown as stuck',
    ).default('10m'),
  },
  'How much at once',
);

const endpoint = text({
  help: 'a member',
  label: 'URL',
  expected: 'a URL of a host and a port, such as https://etcd-1:2379',
  pattern: /^https?:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?\/?$/,
});

const store = group(
  {
    type: choice(
      ['embedded', 'etcd'],
      'embedded: a file of this machine, a cluster of one; etcd: what the nodes of a cluster share',
    ).default('embedded'),
    path: path(
      'of embedded: its file; without it, `store.db` below state',
      '/var/lib/holdfast/store.db',
    ).optional(),
    endpoints: list(endpoint, {
      help: 'of etcd: its members; one is enough, several are better',
      label: 'list of URLs',
      expected: 'URLs of members',
    }).optional(),
    prefix: text({
      help: 'of etcd: what all keys begin with; another one for each cluster that shares an etcd',
      expected: 'a prefix that ends with /, such as /holdfast/',
      pattern: /^[A-Za-z0-9._/-]{0,62}\/$/,
    }).default('/holdfast/'),
    user: text({
      help: 'of etcd: the user, where it asks for one',
      expected: "a user's name",
      pattern: /^[^:\s]{1,128}$/,
    }).optional(),
    password: secret("of etcd: the user's password", { relativeFiles: true }).optional(),
    tls: group(
      {
        ca: path(
          'the file with the certificates that may sign those of the members; without it, those that the system trusts',
          '/etc/holdfast/etcd-ca.crt',
        ).optional(),
        cert: path(
          "the file with this node's certificate, where etcd asks for one",
          '/etc/holdfast/etcd.crt',
        ).optional(),
        key: path('the file with its key', '/etc/holdfast/etcd.key').optional(),
      },
      'of etcd: certificates',
    ).optional(),
    wait: duration(
      { least: '0s', most: '24h' },
      'how long a node that starts waits for a store that does not answer, before it gives up',
    ).default('0s'),
  },
  'Where the cluster keeps its records',
).superRefine((given, context) => {
  const say = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  const isEtcd = given.type === 'etcd';
  if (isEtcd && given.endpoints === undefined)
    say('endpoints', 'is missing: expected the URLs of etcd members');
  if (isEtcd && given.path !== undefined) say('path', 'is for type: embedded');
  for (const name of ['endpoints', 'user', 'password', 'tls'] as const)
    if (!isEtcd && given[name] !== undefined) say(name, 'is for type: etcd');
  if (given.password !== undefined && given.user === undefined)
    say('user', 'is missing: a password is for a user');
  if ((given.tls?.cert === undefined) !== (given.tls?.key === undefined))
    say('tls', 'expected cert and key together, or neither');
  if (given.tls && given.endpoints?.some((url) => url.startsWith('http:')))
    say('endpoints', 'expected https:// URLs, since there is tls');
});

const cluster = group(
  {
    secret: secret('what the nodes of the cluster know, and nobody else: the same for all', {
      relativeFiles: true,
    }).optional(),
    advertise: text({
      help: 'the URL at which the other nodes reach this one; without it, that of listen.address',
      label: 'URL',
      expected: 'a URL of a host and a port, such as http://node-a.example:6362',
      pattern: /^https?:\/\/(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?\/?$/,
    }).optional(),
    aliveFor: duration(
      { least: '2s', most: '5m' },
      'a node that gives no sign of life for so long is taken for dead',
    ).default('10s'),
    moveAfter: duration(
      { least: '0s', most: '24h' },
      'how long the tasks of a dead node wait for it before they move',
    ).default('30s'),
  },
  'How nodes work together',
);

/** The table of a node's own file. Whole groups may be left out: their fields have defaults. */
export const nodeConfigTable = group(
  {
    name: objectName("the node's name, in chains and records; without it, the machine's").optional(),
    state: path(
      'the folder of what the node remembers; without it, /var/lib/holdfast for root, else ~/.local/state/holdfast',
      '/var/lib/holdfast',
    ).optional(),
    staging: path(
      'the folder in which backups are built; without it, $HOLDFAST_STAGING, else `staging` below state',
      '/var/lib/holdfast/staging',
    ).optional(),
    stagingMax: size(
      { least: '100MiB', most: '1024TiB' },
      "what all runs of the node together may use of the staging folder's disk; without it, all but a rest",
    ).optional(),
    bandwidth: bandwidth(
      'how fast backups are written to and read from all destinations together; each of the runs that `limits.runs` allows, and each copy to a destination that is behind, gets an equal share, whether the others work or not',
    ).optional(),
    listen: listen.prefault({}),
    store: store.prefault({}),
    cluster: cluster.prefault({}),
    limits: limits.prefault({}),
    log: group(
      {
        level: choice(['debug', 'info', 'warn', 'error'], 'the least that is written').default('info'),
        format: choice(['json', 'pretty'], 'a JSON document per line, or lines for people').default('json'),
      },
      'What the node writes to its standard output',
    ).prefault({}),
    tags: list(objectName('a tag'), {
      help: 'what tasks may ask of a node',
      label: 'list of names',
      expected: 'tags',
      least: 0,
    }).default([]),
    stop: group(
      {
        drainFor: duration(
          { least: '0s', most: '24h' },
          'how long running backups may take to finish when the node is asked to drain',
        ).default('30s'),
      },
      'How the node ends',
    ).prefault({}),
  },
  "A node's own file, holdfast.yaml",
);

/** `127.0.0.1:6362`, `[::1]:6362`, `db1.example:6362`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

function isOwnMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** The JSON Schema of the file, for editors. */
export function nodeConfigJsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: "Holdfast: a node's own file",
    ...z.toJSONSchema(nodeConfigTable, { target: 'draft-2020-12', io: 'input' }),
  };
}

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Finding } from '@holdfast/core';
import {
  freePort,
  type PostgresServer,
  startPostgres,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ExpectedFailure, expectFailure, secretWord } from '../harness/failure.ts';
import { holdfast, runHoldfast } from '../harness/run-holdfast.ts';
import { slotsOf, stateOf } from '../harness/server-state.ts';
import { leftInStaging, storedAt } from '../harness/tree.ts';

interface BackupReport {
  readonly outcome: string;
  readonly scope: string;
  readonly reason: string;
  readonly notices: readonly string[];
}

let server: PostgresServer;
let folder: TemporaryFolder;
let before: { readonly server: readonly string[]; readonly stored: object };

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 10);
     CREATE SCHEMA sales; CREATE TABLE sales.invoices (id int PRIMARY KEY); CREATE TABLE sales."Odd Name" (id int);`,
  );
  await server.requirePassword('reader', 's3cret', 'NOSUPERUSER NOREPLICATION');
  // A chain that is there already, so that there is something that must not change.
  await backup(['--auto']);
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  before = { server: await stateOf(server), stored: await storedAt(folder.join('backups')) };
});

/** Whatever happened: nothing was left on the server or in staging. */
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before.server);
  expect(await leftInStaging(folder.join('staging'))).toEqual([]);
});

function args(options: readonly string[], url = server.url('shop'), name = 'shop'): string[] {
  return ['backup', '--from', url, '--to', `file:${folder.join('backups')}`, '--name', name, ...options];
}

const env = (): { env: Record<string, string> } => ({ env: { HOLDFAST_STAGING: folder.join('staging') } });

function backup(options: readonly string[], url?: string, name?: string): Promise<BackupReport> {
  return holdfast<BackupReport>(args(options, url, name), env());
}

async function refused(
  expected: ExpectedFailure,
  url?: string,
  options: readonly string[] = ['--auto'],
): Promise<void> {
  await expectFailure(args(options, url), expected, env());
  expect(await storedAt(folder.join('backups'))).toEqual(before.stored);
}

/** What `doctor` says of it, and how it ends. */
async function diagnosed(url: string, exit: number, finding: Partial<Finding>): Promise<void> {
  const { code, stdout, stderr } = await runHoldfast(['doctor', url, '--json'], env());
  expect(code, stderr).toBe(exit);
  const { places } = JSON.parse(stdout) as { places: { findings: Finding[] }[] };
  const wrong = places.flatMap(({ findings }) => findings).filter(({ ok }) => !ok);
  expect(wrong).toContainEqual(expect.objectContaining({ severity: 'error', ...finding }));
  expect(stdout).not.toContain(secretWord);
}

describe('a server that cannot be reached or does not let us in', () => {
  test('nothing listens at its port', async () => {
    const port = await freePort();
    await refused(
      {
        code: 'unavailable',
        exit: 3,
        says: [`127.0.0.1:${port}`, 'ECONNREFUSED'],
        hint: 'is the server running, and are host and port right?',
      },
      `postgres://postgres@127.0.0.1:${port}/shop`,
    );
    await diagnosed(`postgres://postgres@127.0.0.1:${port}/shop`, 3, {
      code: 'unavailable',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  test('it takes the connection and says nothing', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    try {
      await refused(
        { code: 'unavailable', exit: 3, says: [`127.0.0.1:${port}`, '1 s'], hint: 'connect_timeout' },
        `postgres://postgres@127.0.0.1:${port}/shop?connect_timeout=1&sslmode=disable`,
      );
    } finally {
      silent.close();
    }
  });

  test('the password is wrong, or there is none', async () => {
    const wrong = server.url('shop', 'reader').replace('s3cret', 's3cret-not');
    const says = [`127.0.0.1:${server.port}`, 'password authentication failed', 'reader'];
    await refused({ code: 'unauthenticated', exit: 2, says, hint: 'pg_hba.conf' }, wrong);
    const none = server.url('shop', 'reader').replace(':s3cret', '');
    await refused(
      {
        code: 'unauthenticated',
        exit: 2,
        says: [`127.0.0.1:${server.port}`],
        hint: 'PGPASSWORD or ~/.pgpass',
      },
      none,
    );
  });

  test('it does not have the database', async () => {
    await refused(
      {
        code: 'not_found',
        exit: 4,
        says: ['database "shopp" does not exist', `127.0.0.1:${server.port}`],
        hint: 'psql -l',
      },
      server.url('shopp'),
    );
  });

  test('it does not have the role', async () => {
    await refused(
      {
        code: 'unauthenticated',
        exit: 2,
        says: ['role "nobody" does not exist'],
        hint: 'check user and password',
      },
      server.url('shop', 'nobody'),
    );
  });
});

describe('a role without a privilege', () => {
  test('that may not read: every table is named', async () => {
    await server.psql('shop', 'GRANT SELECT ON orders TO reader');
    await refused(
      {
        code: 'permission_denied',
        exit: 2,
        says: [
          'user reader may not read',
          'sales.invoices',
          'sales.Odd Name',
          `127.0.0.1:${server.port}`,
          /^(?!.*orders)/,
        ],
        hint: 'GRANT pg_read_all_data TO "reader"',
      },
      server.url('shop', 'reader'),
      ['--full'],
    );
    await diagnosed(server.url('shop', 'reader'), 2, {
      code: 'permission_denied',
      message: 'may not read sales.Odd Name, sales.invoices',
    });
  });

  test('from whom row level security hides rows', async () => {
    await server.psql(
      'shop',
      `GRANT pg_read_all_data TO reader; ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
       CREATE POLICY few ON orders USING (id < 3)`,
    );
    await refused(
      {
        code: 'permission_denied',
        exit: 2,
        says: ['row level security hides rows from user reader in public.orders'],
        hint: 'ALTER ROLE "reader" BYPASSRLS',
      },
      server.url('shop', 'reader'),
      ['--full'],
    );
    await server.psql('shop', 'ALTER TABLE orders DISABLE ROW LEVEL SECURITY; DROP POLICY few ON orders');
  });

  test('that may read and not replicate: a full works, auto says why it is one, incrementals are refused', async () => {
    const url = server.url('shop', 'reader');
    expect(await backup(['--full'], url, 'plain')).toMatchObject({ outcome: 'stored', scope: 'full' });
    const auto = await backup(['--auto'], url, 'plain');
    expect(auto).toMatchObject({
      outcome: 'stored',
      scope: 'full',
      reason: 'incrementals are not possible: user reader may not use replication slots',
    });
    const hint = 'ALTER ROLE "reader" REPLICATION';
    const says = ['user reader may not use replication slots'];
    const stored = await storedAt(folder.join('backups'));
    for (const options of [['--incremental'], ['--full', '--keep-changes']]) {
      await expectFailure(
        args(options, url, 'plain'),
        { code: 'permission_denied', exit: 2, says, hint },
        env(),
      );
    }
    expect(await storedAt(folder.join('backups'))).toEqual(stored);
  });
});

test('a snapshot is not what PostgreSQL makes', async () => {
  await refused(
    {
      code: 'unsupported',
      exit: 2,
      says: ['PostgreSQL has no full backup of type snapshot'],
      hint: 'logical',
    },
    undefined,
    ['--full', '--type', 'snapshot'],
  );
});

describe('a server that is not set up for incrementals', () => {
  test('no replication slot is free: a full works, auto says why it is one, incrementals are refused', async () => {
    expect(await slotsOf(server, 'shop')).toHaveLength(1);
    await restart('max_replication_slots = 1');
    before = { ...before, server: await stateOf(server), stored: await storedAt(folder.join('backups')) };
    await refused(
      { code: 'exhausted', exit: 3, says: ['no replication slot is free'], hint: 'max_replication_slots' },
      undefined,
      ['--full', '--keep-changes'],
    );
    await refused(
      { code: 'exhausted', exit: 3, says: ['no replication slot is free'], hint: 'max_replication_slots' },
      undefined,
      ['--incremental'],
    );
    expect(await backup(['--full'])).toMatchObject({ outcome: 'stored', scope: 'full' });
    expect(await backup(['--auto'])).toMatchObject({
      outcome: 'stored',
      scope: 'full',
      reason: expect.stringContaining('incrementals are not possible: no replication slot is free'),
    });
  });

  test('wal_level is replica: a full works, auto says why it is one, incrementals are refused', async () => {
    await holdfast(['source', 'forget', server.url('shop')], env());
    await restart('wal_level = replica');
    before = { server: await stateOf(server), stored: await storedAt(folder.join('backups')) };
    const expected = {
      code: 'precondition_failed',
      exit: 2,
      says: ['wal_level is replica; incrementals need logical'],
      hint: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
    } as const;
    await refused(expected, undefined, ['--incremental']);
    await refused(expected, undefined, ['--full', '--keep-changes']);
    expect(await backup(['--full'])).toMatchObject({ outcome: 'stored', scope: 'full' });
    expect(await backup(['--auto'])).toMatchObject({
      outcome: 'stored',
      scope: 'full',
      reason: 'incrementals are not possible: wal_level is replica; incrementals need logical',
    });
    await diagnosed(server.url('shop'), 2, {
      check: 'wal_level',
      code: 'precondition_failed',
      message: 'wal_level is replica; incrementals need logical',
      hint: expect.stringContaining('ALTER SYSTEM SET wal_level = logical'),
    });
  });
});

async function restart(setting: string): Promise<void> {
  await server.psql('postgres', `ALTER SYSTEM SET ${setting.replace(' = ', ' TO ')}`);
  await server.stop();
  await server.start();
}

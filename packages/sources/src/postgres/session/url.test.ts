import { HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { findPassword } from './pgpass.ts';
import { describeTarget, fromTargetRecord, parseTarget, toTargetRecord } from './url.ts';

function failure(url: string): HoldfastError {
  try {
    parseTarget(url, {});
  } catch (caught) {
    if (caught instanceof HoldfastError) return caught;
  }
  throw new Error(`${url} was taken`);
}

describe('a PostgreSQL URL', () => {
  it('names server, user, password and database', () => {
    const target = parseTarget('postgres://ann:s%40cret%2F@db.example:6543/my%20db', {});
    expect(target).toMatchObject({
      hosts: [{ host: 'db.example', port: 6543 }],
      user: 'ann',
      database: 'my db',
      role: 'any',
      tls: { mode: 'prefer' },
      applicationName: 'holdfast',
      connectTimeoutMs: 15_000,
    });
    expect(target.password?.reveal()).toBe('s@cret/');
    expect(JSON.stringify(target)).not.toContain('s@cret');
    expect(describeTarget(target)).toBe('postgres://ann@db.example:6543/my db');
  });

  it('leaves out what the machine and the environment know', () => {
    const environment = { PGUSER: 'ann', PGPASSWORD: 'x', PGPORT: '5433' };
    const target = parseTarget('postgresql://db', environment);
    expect(target).toMatchObject({ hosts: [{ host: 'db', port: 5433 }], user: 'ann', database: 'ann' });
    expect(target.password?.reveal()).toBe('x');
    expect(parseTarget('postgres:///shop?user=ann', {}).hosts).toEqual([{ host: 'localhost', port: 5432 }]);
    expect(parseTarget('postgres://:pw@h/db', { PGPASSWORD: 'other' }).password?.reveal()).toBe('pw');
  });

  it('names several servers, addresses of version 6, and folders of sockets', () => {
    const target = parseTarget('postgres://ann@h1:1,[::1]:2,h3/db?target_session_attrs=primary', {});
    expect(target.role).toBe('primary');
    expect(target.hosts).toEqual([
      { host: 'h1', port: 1 },
      { host: '::1', port: 2 },
      { host: 'h3', port: 5432 },
    ]);
    expect(describeTarget(target)).toBe('postgres://ann@h1:1,[::1]:2,h3:5432/db');
    expect(parseTarget('postgres://a@[fe80::1%25eth0],[::1]/db', {}).hosts).toEqual([
      { host: 'fe80::1%eth0', port: 5432 },
      { host: '::1', port: 5432 },
    ]);
    expect(parseTarget('postgres://a@/db', { PGHOST: 'h1,h2', PGPORT: '1,2' }).hosts).toEqual([
      { host: 'h1', port: 1 },
      { host: 'h2', port: 2 },
    ]);
    expect(parseTarget('postgres://a@h1,h2/db?port=1,2', {}).hosts.map((each) => each.port)).toEqual([1, 2]);
    expect(parseTarget('postgres://a@/db?host=/run/pg&port=5433', {}).hosts).toEqual([
      { host: '/run/pg', port: 5433 },
    ]);
    expect(parseTarget('postgres://a@localhost:5433/db?host=/run/pg', {}).hosts).toEqual([
      { host: '/run/pg', port: 5433 },
    ]);
    expect(parseTarget('postgres://a@%2Frun%2Fpg/db', {}).hosts).toEqual([{ host: '/run/pg', port: 5432 }]);
  });

  it('takes TLS settings, the application name and the time-out', () => {
    const target = parseTarget(
      'postgres://a@h/db?sslmode=verify-full&sslrootcert=/ca.pem&application_name=x&connect_timeout=3',
      {},
    );
    expect(target).toMatchObject({
      tls: { mode: 'verify-full', rootCertificate: '/ca.pem' },
      applicationName: 'x',
      connectTimeoutMs: 3000,
    });
  });

  it('takes the limit of what the server keeps for incrementals', () => {
    expect(parseTarget('postgres://a@h/db?keep_changes_max=5GB', {}).keepChangesMaxBytes).toBe(5 * 1024 ** 3);
    expect(failure('postgres://a@h/db?keep_changes_max=lots').reason).toContain('keep_changes_max');
  });

  it.each([
    ['postgres://a@h/db?ssl_mode=require', 'unknown parameter "ssl_mode"', 'did you mean sslmode?'],
    ['postgres://a@h/db?sslmode=verify', 'expected one of disable, prefer', undefined],
    ['postgres://a@h/db?sslmode=verify-fool', 'sslmode', 'did you mean verify-full?'],
    ['postgres://a@h:0/db', 'port of the PostgreSQL URL is "0"', undefined],
    ['postgres://a@h:65536/db', 'from 1 to 65535', undefined],
    ['postgres://a@::1/db', 'a host that cannot be read', 'an IPv6 address stands in brackets: [::1]:5432'],
    ['postgres://a@h1,h2/db?port=1,2,3', 'names 2 hosts but 3 ports', undefined],
    ['postgres://a@h/db?connect_timeout=soon', 'connect_timeout', undefined],
    ['postgres://a@h/%zz', 'broken per cent sign', 'write a per cent sign itself as %25'],
    ['mysql://a@h/db', 'is not a PostgreSQL URL', undefined],
    ['postgres://a:pass@word@h/db', 'is not a PostgreSQL URL', undefined],
  ])('%s is refused in words', (url, reason, hint) => {
    const error = failure(url);
    expect(error.code).toBe('config_invalid');
    expect(error.reason).toContain(reason);
    expect(error.reason).not.toMatch(/pass|word/);
    if (hint !== undefined) expect(error.hint).toBe(hint);
  });

  it('goes to another thread and back', () => {
    const target = parseTarget('postgres://a:pw@h/db', {});
    const back = fromTargetRecord(structuredClone(toTargetRecord(target)));
    expect(back).toEqual(target);
    expect(back.password?.reveal()).toBe('pw');
  });
});

describe('a password file', () => {
  const target = parseTarget('postgres://ann@h/db', {});
  const host = { host: 'h', port: 5432 };

  it('gives the password of the first line that fits', () => {
    const text = '# comment\nother:*:*:*:no\nh:5433:*:*:no\nh:5432:db:ann:a\\:b\\\\c\n*:*:*:*:late';
    expect(findPassword(text, target, host)).toBe('a:b\\c');
    expect(findPassword('h:5432:db:bob:x', target, host)).toBeUndefined();
    expect(findPassword('*:*:*:*:any', target, host)).toBe('any');
  });

  it('calls a Unix socket localhost', () => {
    expect(findPassword('localhost:5432:*:ann:x', target, { host: '/run/pg', port: 5432 })).toBe('x');
  });
});

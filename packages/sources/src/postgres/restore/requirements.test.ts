import { describe, expect, it } from 'vitest';
import {
  extensionObstacles,
  majorOf,
  ownerObstacle,
  roleObstacle,
  tablespaceObstacle,
  versionObstacle,
} from './requirements.ts';

describe('versions', () => {
  it('are read from what servers say of themselves', () => {
    expect([
      majorOf('15.18'),
      majorOf('15.18 (Debian 15.18-0)'),
      majorOf('PostgreSQL 17beta1'),
      majorOf('?'),
    ]).toEqual([15, 15, 17, undefined]);
  });

  it('of the target may be newer than the source, never older', () => {
    expect(versionObstacle('15.18', 150_018)).toBeUndefined();
    expect(versionObstacle('15.18', 150_001)).toBeUndefined();
    expect(versionObstacle('13.4', 170_002)).toBeUndefined();
    expect(versionObstacle('16.1', 150_018)).toMatchObject({
      code: 'unsupported',
      message: 'the server is PostgreSQL 15, the backup is of PostgreSQL 16',
      hint: 'use a server of version 16 or newer',
    });
    expect(versionObstacle('12.1', 120_018)?.hint).toBe('use a server of version 13 or newer');
  });
});

describe('roles', () => {
  it('that are missing are all named, with what to run', () => {
    const found = roleObstacle(new Set(['b"x', 'a', 'c']), new Set(['c']), false);
    expect(found?.message).toBe('the server lacks the roles a, b"x');
    expect(found?.hint).toBe(
      'run as superuser: CREATE ROLE "a"; CREATE ROLE "b""x"; — or restore without owners and privileges: --no-owner',
    );
    expect(roleObstacle(new Set(['c']), new Set(['c']), false)).toBeUndefined();
    expect(roleObstacle(new Set(['a']), new Set(), true)?.hint).not.toContain('--no-owner');
  });

  it('that we may not act for are named with the grants', () => {
    expect(ownerObstacle(new Set(['app', 'me']), new Set(['me']), 'me')).toMatchObject({
      code: 'permission_denied',
      message: 'the role me may not make objects of app',
    });
    expect(ownerObstacle(new Set(['me']), new Set(['me']), 'me')).toBeUndefined();
  });
});

describe('extensions', () => {
  const available = [
    { name: 'hstore', defaultVersion: '1.8', superuser: false },
    { name: 'adminpack', defaultVersion: '2.1', superuser: true },
  ];

  it('that the server does not have are named', () => {
    const found = extensionObstacles(
      [{ name: 'postgis', version: '3.4.0' }, { name: 'hstore' }],
      available,
      true,
    );
    expect(found.map((each) => each.message)).toEqual([
      'the server does not have the extension postgis (3.4.0)',
    ]);
  });

  it('for superusers are an obstacle for others', () => {
    expect(extensionObstacles([{ name: 'adminpack' }], available, true)).toEqual([]);
    expect(extensionObstacles([{ name: 'adminpack' }], available, false)[0]?.code).toBe('permission_denied');
  });
});

describe('tablespaces', () => {
  it('that are missing are named', () => {
    expect(tablespaceObstacle(new Set(['fast', 'pg_default']), new Set(['pg_default']))?.message).toBe(
      'the server lacks the tablespace fast',
    );
  });
});

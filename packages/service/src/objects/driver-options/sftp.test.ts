import { describe, expect, test } from 'vitest';
import { sftpOptions } from './sftp.ts';

const password = '$' + '{env:PASSWORD}';
const fingerprint = `SHA256:${'a+/'.repeat(14)}x`;

function parsed(declared: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return sftpOptions.declared.parse(declared);
}

function problemsOf(declared: Readonly<Record<string, unknown>>): readonly string[] {
  const { error } = sftpOptions.declared.safeParse(declared);
  return (error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`);
}

describe('a folder on an SFTP server, declared by fields', () => {
  test('becomes a URL in which placeholders stay as they are written', () => {
    const whole = parsed({
      host: 'h',
      port: 2222,
      user: 'a b',
      path: '/srv/b c',
      password,
      hostKey: [fingerprint],
    });
    expect(sftpOptions.toUrl(whole)).toBe(
      `sftp://a%20b:${password}@h:2222/srv/b%20c?hostKey=${encodeURIComponent(fingerprint)}`,
    );
    const own = parsed({
      host: '::1',
      user: 'u',
      path: '~/b',
      privateKey: '/k',
      passphrase: password,
      parallel: 2,
    });
    expect(sftpOptions.toUrl(own)).toBe(
      `sftp://u@[::1]/~/b?privateKey=%2Fk&passphrase=${password}&parallel=2`,
    );
  });

  test('is the same place whoever logs in, unless it is in the folder of the user', () => {
    const place = (declared: Readonly<Record<string, unknown>>) => sftpOptions.placeOf(parsed(declared));
    expect(place({ host: 'H', user: 'a', path: '/x' })).toBe(
      place({ host: 'h', port: 22, user: 'b', path: '/x/' }),
    );
    expect(place({ host: 'h', user: 'a', path: '~/x' })).not.toBe(
      place({ host: 'h', user: 'b', path: '~/x' }),
    );
  });

  test('refuses secrets as they are, paths that lead out, and what says nothing', () => {
    expect(problemsOf({ host: 'h', user: 'u', path: '/x', password: 'geheim' })).toEqual([
      expect.stringContaining('password expected a placeholder'),
    ]);
    expect(problemsOf({ host: 'h', path: 'x' })).toEqual([expect.stringContaining('path expected a path')]);
    expect(problemsOf({ host: 'h', path: '/x/../y' })).toEqual([
      expect.stringContaining('path expected a path'),
    ]);
    expect(problemsOf({ host: 'h', path: '/x', passphrase: password })).toEqual([
      expect.stringContaining('passphrase says nothing'),
    ]);
    expect(problemsOf({ host: 'h', path: '/x', hostKey: ['SHA256:short'] })).toEqual([
      expect.stringContaining('SHA256: and 43 characters'),
    ]);
  });
});

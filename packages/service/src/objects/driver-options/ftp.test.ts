import { parseFtpUrl } from '@holdfast/destinations/ftp';
import { describe, expect, test } from 'vitest';
import { ftpOptions } from './ftp.ts';

const password = '$' + '{env:FTP_PASSWORD}';
const least = { host: 'ftp.example.com', user: 'me', password, path: '/backups' };

function urlOf(fields: Readonly<Record<string, unknown>>): string {
  return ftpOptions.toUrl(ftpOptions.declared.parse(fields));
}

/** As the driver reads it, once the password is filled in. */
function located(fields: Readonly<Record<string, unknown>>): unknown {
  return parseFtpUrl(urlOf(fields).replace(password, 'secret'));
}

function problemsOf(fields: Readonly<Record<string, unknown>>): string[] {
  const { error } = ftpOptions.declared.safeParse(fields);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}`);
}

describe('a declared FTP server', () => {
  test('becomes a URL with its placeholder as it is written', () => {
    expect(urlOf(least)).toBe(`ftps://me:${password}@ftp.example.com/backups`);
  });

  test('with every field is read back by the driver as it was meant', () => {
    const fingerprint = `SHA256:${'AB:'.repeat(31)}AB`;
    const more = { port: 2121, user: 'a@b', path: '~/my backups/', serverName: 'other', parallel: 2 };
    expect(located({ ...least, ...more, tls: 'implicit', caFile: '/etc/ca.pem', fingerprint })).toEqual({
      host: 'ftp.example.com',
      port: 2121,
      user: 'a@b',
      password: 'secret',
      security: 'implicit',
      base: 'login',
      path: ['my backups'],
      caFile: '/etc/ca.pem',
      fingerprint: 'ab'.repeat(32),
      serverName: 'other',
      parallel: 2,
    });
  });

  test('goes without TLS only when that is allowed', () => {
    expect(located({ ...least, allowPlaintext: true })).toMatchObject({ security: 'none', port: 21 });
    expect(located({ ...least, allowPlaintext: false })).toMatchObject({ security: 'explicit' });
  });

  test('may leave the login to a command', () => {
    expect(urlOf({ host: '::1', path: '/' })).toBe('ftps://[::1]/');
  });

  test('is the same place whatever the certificate, and another one for another user', () => {
    const place = ftpOptions.placeOf(least);
    expect(ftpOptions.placeOf({ ...least, parallel: 3, path: '/backups/' })).toBe(place);
    expect(ftpOptions.placeOf({ ...least, user: 'you' })).not.toBe(place);
  });

  test('is refused when its fields do not go together, or are wrong', () => {
    expect(problemsOf({ ...least, allowPlaintext: true, caFile: '/a.pem' })).toEqual([
      expect.stringMatching(/^caFile is about TLS/),
    ]);
    expect(problemsOf({ ...least, user: undefined })).toEqual([expect.stringMatching(/^user is missing/)]);
    for (const wrong of [
      { host: 'a/b' },
      { path: 'backups' },
      { path: '/a/../b' },
      { fingerprint: 'SHA256:abc' },
      { password: 'in the clear' },
      { port: 0 },
    ])
      expect(problemsOf({ ...least, ...wrong }), JSON.stringify(wrong)).toHaveLength(1);
  });
});

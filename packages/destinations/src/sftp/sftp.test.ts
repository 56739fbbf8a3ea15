import { createHmac } from 'node:crypto';
import { redactUrl } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { sftpError } from './errors.ts';
import { HostKeys } from './host-keys.ts';
import { knownKeysOf } from './known-hosts.ts';
import { partFolder, partName } from './temporary.ts';
import { describeSftp, parseSftpUrl } from './url.ts';

const fingerprint = `SHA256:${'a+/'.repeat(14)}x`;

describe('the URL of an SFTP server', () => {
  test('names host, port, user, password and folder', () => {
    expect(parseSftpUrl('sftp://me:pa%40ss%3A@example.com:2222/srv/b%20c/')).toMatchObject({
      host: 'example.com',
      port: 2222,
      user: 'me',
      password: 'pa@ss:',
      path: '/srv/b c',
      parallel: 4,
    });
    expect(parseSftpUrl('sftp://me@[::1]/x')).toMatchObject({ host: '::1', port: 22, path: '/x' });
  });

  test('names with ~ a folder below the one that the user is in after logging in', () => {
    expect(parseSftpUrl('sftp://me@h/~/backups/a').path).toBe('backups/a');
    expect(parseSftpUrl('sftp://me@h/~').path).toBe('.');
    expect(describeSftp(parseSftpUrl('sftp://me@h/~/a'), 'me')).toBe('sftp://me@h/~/a');
  });

  test('takes a fingerprint as it is printed, and as it is encoded', () => {
    for (const text of [fingerprint, encodeURIComponent(fingerprint)])
      expect(parseSftpUrl(`sftp://me@h/x?hostKey=${text}`).hostKeys).toEqual([fingerprint]);
    expect(parseSftpUrl(`sftp://me@h/x?hostKey=${fingerprint},${fingerprint}`).hostKeys).toHaveLength(2);
  });

  for (const [url, said] of [
    ['sftp://me@h', 'names no folder'],
    ['sftp://me@h/', 'names no folder'],
    ['sftp:///srv', 'names no host'],
    ['sftp://:pw@h/x', 'a password and no user'],
    ['sftp://me@h/a/../b', 'without . and ..'],
    ['sftp://me@h:70000/x', 'from 1 to 65535'],
    ['sftp://me@h/x?parallel=0', 'from 1 to 16'],
    ['sftp://me@h/x?hostKey=MD5:aa', 'is no fingerprint'],
    ['sftp://me@h/x?hostkey=x', 'does not know the parameter hostkey'],
    ['sftp://me:100%@h/x', '% that is not followed'],
    ['sftp://me:geh#eim@h/x', 'no URL of an SFTP server'],
  ] as const) {
    test(`${url} is refused: ${said}`, () => {
      expect(() => parseSftpUrl(url)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
      expect(() => parseSftpUrl(url)).toThrow(said);
      expect(() => parseSftpUrl(url)).not.toThrow(/geh|100%/);
    });
  }

  test('is shown without its secrets', () => {
    const url = 'sftp://me:geheim@h/x?hostKey=SHA256:abc&passphrase=geheim&parallel=2';
    expect(redactUrl(url)).toBe('sftp://me:[secret]@h/x?hostKey=SHA256:abc&passphrase=[secret]&parallel=2');
    expect(describeSftp(parseSftpUrl('sftp://me:geheim@h:23/x?passphrase=geheim'), 'me')).toBe(
      'sftp://me@h:23/x',
    );
  });
});

function keyOf(type: string, content: string): Buffer {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.from(content)]);
}

const key = keyOf('ssh-ed25519', 'one');
const encoded = key.toString('base64');

describe('a file of known hosts', () => {
  const salt = Buffer.from('01234567890123456789').toString('base64');
  const hash = createHmac('sha1', Buffer.from(salt, 'base64')).update('[h.example]:2222').digest('base64');
  for (const [what, line, host, port, found] of [
    ['a name', 'h.example,10.0.0.1', 'H.example', 22, true],
    ['an address in a list', 'h.example,10.0.0.1', '10.0.0.1', 22, true],
    ['a name at another port', 'h.example', 'h.example', 2222, false],
    ['a name with its port', '[h.example]:2222', 'h.example', 2222, true],
    ['a name with its port, at port 22', '[h.example]:2222', 'h.example', 22, false],
    ['a hashed name', `|1|${salt}|${hash}`, 'h.example', 2222, true],
    ['another hashed name', `|1|${salt}|${hash}`, 'other', 2222, false],
    ['a pattern', '*.example', 'h.example', 22, true],
    ['a pattern with an exception', '*.example,!h.example', 'h.example', 22, false],
    ['a dot, which is no pattern', 'h.example', 'hxexample', 22, false],
  ] as const) {
    test(`with ${what} ${found ? 'knows' : 'does not know'} the host`, () => {
      const keys = knownKeysOf(`# comment\n\n${line} ssh-ed25519 ${encoded} me@there\r\n`, host, port);
      expect(keys).toEqual(found ? [{ type: 'ssh-ed25519', key, revoked: false }] : []);
    });
  }

  test('passes over authorities, and says which keys are revoked', () => {
    const text = `@cert-authority h ssh-ed25519 ${encoded}\n@revoked h ssh-ed25519 ${encoded}\n`;
    expect(knownKeysOf(text, 'h', 22)).toEqual([{ type: 'ssh-ed25519', key, revoked: true }]);
  });
});

describe('the keys of a host', () => {
  const location = parseSftpUrl('sftp://me@h:2222/x');
  const known = { type: 'ssh-ed25519', key, revoked: false };

  test('are asked for by the types that are known', () => {
    expect(new HostKeys(location, [known], 'file').algorithms).toEqual(['ssh-ed25519']);
    const rsa = { type: 'ssh-rsa', key: keyOf('ssh-rsa', 'r'), revoked: false };
    expect(new HostKeys(location, [rsa], 'file').algorithms).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
  });

  test('a revoked one is refused even where it is known as well', () => {
    const keys = new HostKeys(location, [known, { ...known, revoked: true }], 'file');
    expect(keys.accepts(key)).toBe(false);
    expect(keys.refusal()).toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining('revoked'),
    });
  });

  test('an unknown one is told with its fingerprint and with the line that would make it known', () => {
    const keys = new HostKeys(location, [], '/home/me/.ssh/known_hosts');
    expect(keys.accepts(key)).toBe(false);
    const { message, hint = '' } = keys.refusal();
    expect(message).toMatch(/ssh-ed25519 SHA256:/);
    expect(hint).toContain(`[h]:2222 ssh-ed25519 ${encoded}`);
    expect(hint).toContain('compare the fingerprint');
  });
});

describe('an answer of failure', () => {
  const failed = Object.assign(new Error('Failure'), { code: 4 });
  const context = { place: 'sftp://h/x', path: '/x/a', action: 'write' };
  const gibibyte = 1024 ** 3;
  for (const [what, disk, code, said] of [
    ['with little room', { freeBytes: 4096, readOnly: false }, 'exhausted', '4096 bytes are free'],
    ['with much room', { freeBytes: gibibyte, readOnly: false }, 'exhausted', 'it failed although'],
    [
      'on a disk that is read-only',
      { freeBytes: gibibyte, readOnly: true },
      'permission_denied',
      'read-only',
    ],
    ['from a server that cannot be asked', undefined, 'exhausted', 'most likely its disk or a quota is full'],
  ] as const) {
    test(`${what} is ${code}`, () => {
      expect(sftpError(failed, { ...context, disk })).toMatchObject({
        code,
        message: expect.stringContaining(said),
      });
    });
  }

  test('to anything but a write does not blame the disk', () => {
    expect(sftpError(failed, { ...context, action: 'list' }).code).toBe('unavailable');
  });
});

test('what is left of an unfinished write is found by key, size and checksum', () => {
  expect(partFolder('a/b')).toMatch(/^\.holdfast-part-[0-9a-f]{32}$/);
  expect(partFolder('a/b')).not.toBe(partFolder('a/c'));
  expect(partName(17, 'ab'.repeat(32))).toBe(`17-${'ab'.repeat(16)}`);
});

import { describe, expect, test } from 'vitest';
import { checksumOf } from './checksum.ts';
import { parseFacts, parseTime } from './facts.ts';
import { printFingerprint } from './fingerprint.ts';
import { ftpDriver } from './index.ts';
import { isCrowded, refusalOf } from './replies.ts';
import { skipTo } from './skip.ts';
import { describeLocation, parseFtpUrl } from './url.ts';

const { signal } = new AbortController();

describe('the URL of an FTP server', () => {
  test('means TLS after AUTH TLS unless it says otherwise', () => {
    expect(parseFtpUrl('ftps://me:p%40ss%3A%2F%25@host/a/b%20c/')).toEqual({
      host: 'host',
      port: 21,
      user: 'me',
      password: 'p@ss:/%',
      security: 'explicit',
      base: 'root',
      path: ['a', 'b c'],
      parallel: 4,
    });
  });

  const read = [
    ['ftps://h?implicit=true', { security: 'implicit', port: 990 }],
    ['ftps://h:2990?implicit=true', { security: 'implicit', port: 2990 }],
    ['ftp://h?allowPlaintext=true', { security: 'none', port: 21 }],
    ['FTPS://[::1]:2121/', { host: '::1', port: 2121, path: [] }],
    ['ftps://a@b:c@h/', { user: 'a@b', password: 'c' }],
    ['ftps://h/~/backups', { base: 'login', path: ['backups'] }],
    ['ftps://h//srv///backups', { base: 'root', path: ['srv', 'backups'] }],
    [
      'ftps://h/?parallel=2&serverName=other&caFile=/ca.pem',
      { parallel: 2, serverName: 'other', caFile: '/ca.pem' },
    ],
  ] as const;
  for (const [url, expected] of read) {
    test(`${url} is read`, () => {
      expect(parseFtpUrl(url)).toMatchObject(expected);
    });
  }

  test('without TLS is refused unless that is allowed, saying why and naming ftps', () => {
    expect(() => parseFtpUrl('ftp://me:secret@h/')).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        reason: expect.stringMatching(/in the clear/),
        hint: expect.stringMatching(/ftps:.*allowPlaintext=true/),
      }),
    );
  });

  const refused = [
    ['http://h/', /not an FTP/],
    ['ftps:///path', /no host/],
    ['ftps://h:0/', /no port/],
    ['ftps://h:x/', /no port/],
    ['ftps://h/a/../b', /the part \.\./],
    ['ftps://h/~root/b', /begins with ~root/],
    ['ftps://h/a%0Ab', /control character/],
    ['ftps://u:a%0Db@h/', /control character/],
    ['ftps://u:%zz@h/', /%/],
    ['ftps://h/?implicit=yes', /implicit=yes/],
    ['ftps://h/?allowPlaintext=true', /says nothing with ftps/],
    ['ftp://h/?allowPlaintext=true&implicit=true', /about TLS/],
    ['ftp://h/?allowPlaintext=true&caFile=/x', /about a certificate/],
    ['ftps://h/?parallel=0', /parallel=0/],
    ['ftps://h/?parallel=17', /parallel=17/],
    ['ftps://h/?fingerprint=SHA256:abc', /no fingerprint/],
    ['ftps://h/?insecure=true', /does not know/],
  ] as const;
  for (const [url, message] of refused) {
    test(`${url} is refused`, () => {
      expect(() => parseFtpUrl(url)).toThrow(message);
      expect(() => parseFtpUrl(url)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    });
  }

  test('a fingerprint is read in each of the forms in which tools print it', () => {
    const digits = '00ff'.repeat(16);
    const base64 = Buffer.from(digits, 'hex').toString('base64');
    for (const form of [printFingerprint(digits), digits, `sha256=${digits}`, `SHA256:${base64}`]) {
      const url = `ftps://h/?fingerprint=${form}`;
      expect(parseFtpUrl(url).fingerprint, form).toBe(digits);
    }
  });

  test('is shown without its password', () => {
    for (const [url, shown] of [
      ['ftps://me:geheim@h:21/a/b', 'ftps://me@h/a/b'],
      ['ftps://me:geheim@h/~/a?implicit=true', 'ftps://me@h/~/a'],
      ['ftp://[::1]:2121/?allowPlaintext=true', 'ftp://[::1]:2121/'],
    ] as const)
      expect(describeLocation(parseFtpUrl(url))).toBe(shown);
  });

  test('has to name user and password, unless a command prints them', async () => {
    for (const url of ['ftps://h/', 'ftps://me@h/'])
      await expect(ftpDriver.open(url, { signal })).rejects.toMatchObject({ code: 'config_invalid' });
    const credentials = { command: ['print-login'], timeoutMs: 1000 };
    await using place = await ftpDriver.open('ftps://h/', { signal, credentials });
    expect(place.description).toBe('ftps://h/');
  });
});

describe('what a server says', () => {
  test('of a name is read, and of the folder itself and the one above is not', () => {
    expect(parseFacts('modify=20261120140000.5;Type=file;Size=12;UNIX.mode=0644; a b; c=d')).toEqual({
      type: 'file',
      name: 'a b; c=d',
      bytes: 12,
      modifiedAtMs: Date.UTC(2026, 10, 20, 14, 0, 0, 500),
    });
    expect(parseFacts(' type=dir;sizd=4096; /whole/path')).toEqual({ type: 'folder', name: '/whole/path' });
    expect(parseFacts('type=OS.unix=slink:/etc;size=1; link')).toMatchObject({ type: 'other' });
    for (const line of ['type=cdir; .', 'type=pdir; ..', 'total 3', '250 End'])
      expect(parseFacts(line)).toBeUndefined();
    expect(parseTime('yesterday')).toBeUndefined();
  });

  for (const [message, code, refusal] of [
    ['550 /a/permission denied: No such file or directory', 550, 'missing'],
    ['550 /x: Permission denied', 550, 'permission'],
    ['550 Access is denied.', 550, 'permission'],
    ['451 /x: No space left on device', 451, 'full'],
    ['552 quota', 552, 'full'],
    ['452 no', 452, 'full'],
    ['550 /x: Read-only file system', 550, 'readonly'],
    ['426 broken', 426, 'busy'],
    ['550 Requested action not taken', 550, 'unknown'],
  ] as const) {
    test(`"${message}" is understood as ${refusal}`, () => {
      expect(refusalOf({ code, message }, '/a/permission denied')).toBe(refusal);
    });
  }

  test('when it has clients enough is told from a wrong password', () => {
    expect(
      isCrowded({ code: 530, message: '530 Sorry, the maximum number of clients (3) for this user' }),
    ).toBe(true);
    expect(isCrowded({ code: 421, message: '421 Too many connections' })).toBe(true);
    expect(isCrowded({ code: 530, message: '530 Login incorrect.' })).toBe(false);
  });

  test('of checksums is used at its best', () => {
    const best = (features: Readonly<Record<string, string>>): unknown =>
      checksumOf(new Map(Object.entries(features)));
    expect(best({ HASH: 'SHA-1*;SHA-256', XMD5: '' })).toMatchObject({ command: 'HASH', trustworthy: true });
    expect(best({ HASH: 'MD5*', XMD5: '' })).toMatchObject({ command: 'XMD5', trustworthy: true });
    expect(best({ XCRC: '' })).toMatchObject({ trustworthy: false });
    expect(best({ SIZE: '' })).toBeUndefined();
  });
});

describe('a body of which a beginning is there already', () => {
  const bytes = Buffer.from('0123456789');

  /** Uses one block of memory for all, as bodies may. */
  async function* body(blockBytes: number): AsyncGenerator<Uint8Array> {
    const room = Buffer.alloc(blockBytes);
    for (let at = 0; at < bytes.length; at += blockBytes) {
      const length = bytes.copy(room, 0, at);
      yield room.subarray(0, length);
    }
  }

  const unsent = (): void => undefined;

  test('is told as not sent, to the byte', async () => {
    for (const blockBytes of [1, 3, 4, 10]) {
      let told = 0;
      const count = (more: number): void => {
        told += more;
      };
      await skipTo(body(blockBytes), { bytes: 7, unsent: count }, bytes.subarray(5, 7));
      expect(told).toBe(7);
    }
  });

  test('is compared with the end of it, and the rest is what comes after', async () => {
    for (const blockBytes of [1, 3, 4, 10]) {
      for (const [start, tailBytes] of [
        [4, 4],
        [4, 2],
        [9, 9],
        [10, 3],
      ] as const) {
        const tail = bytes.subarray(start - tailBytes, start);
        const { same, rest } = await skipTo(body(blockBytes), { bytes: start, unsent }, tail);
        expect(same).toBe(true);
        let text = '';
        for await (const block of rest) text += Buffer.from(block).toString();
        expect(text).toBe(bytes.subarray(start).toString());
      }
    }
  });

  test('that is another one, or is shorter, is not the same', async () => {
    expect((await skipTo(body(3), { bytes: 5, unsent }, Buffer.from('3x'))).same).toBe(false);
    expect((await skipTo(body(3), { bytes: 11, unsent }, Buffer.from('9a'))).same).toBe(false);
  });
});

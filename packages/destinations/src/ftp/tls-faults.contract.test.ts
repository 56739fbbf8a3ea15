import { execFileSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import {
  bodyOf,
  collect,
  listedKeys,
  type Proftpd,
  startProftpd,
  type TestCertificates,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ftpDriver } from './index.ts';

const { signal } = new AbortController();
let certificates: TestCertificates;

beforeAll(async () => {
  certificates = await testCertificates();
});

afterAll(() => certificates[Symbol.asyncDispose]());

type Shown = 'good' | 'expired' | 'wrongName' | 'untrusted';

function withCertificate(shown: Shown): Promise<Proftpd> {
  return startProftpd({ certificate: certificates[shown] });
}

async function stat(url: string): Promise<unknown> {
  await using place = await ftpDriver.open(url, { signal });
  return await place.stat('nothing', { signal });
}

function ca(): string {
  return `caFile=${encodeURIComponent(certificates.caFile)}`;
}

function fingerprint(certFile: string): string {
  const printed = execFileSync('openssl', ['x509', '-noout', '-fingerprint', '-sha256', '-in', certFile], {
    encoding: 'utf8',
  });
  return printed.trim().replace(/^.*=/, 'SHA256:');
}

describe('the certificate of the server', () => {
  for (const [shown, reason, hint] of [
    ['untrusted', /signed by nobody who is trusted/, /caFile/],
    ['expired', /has expired/, /renew/],
    ['wrongName', /made out to .*another\.example/, /serverName/],
  ] as const) {
    test(`is refused when it is ${shown}, with and without implicit TLS`, async () => {
      await using server = await withCertificate(shown);
      for (const query of [ca(), `${ca()}&implicit=true`]) {
        await expect(stat(server.url('ftps', 'x', query))).rejects.toMatchObject({
          code: 'unauthenticated',
          reason: expect.stringMatching(reason),
          hint: expect.stringMatching(hint),
        });
      }
    });
  }

  test('is asked of the usual authorities when none is named', async () => {
    await using server = await withCertificate('good');
    const refused = { code: 'unauthenticated', reason: expect.stringMatching(/trusted/) };
    await expect(stat(server.url('ftps', 'x'))).rejects.toMatchObject(refused);
  });

  test('may be made out to the name that is said to be meant', async () => {
    await using server = await withCertificate('wrongName');
    expect(await stat(server.url('ftps', 'x', `${ca()}&serverName=another.example`))).toBeUndefined();
  });

  test('that is pinned is taken whoever signed it, and stands for data connections too', async () => {
    for (const shown of ['untrusted', 'expired'] as const) {
      await using server = await withCertificate(shown);
      const pin = encodeURIComponent(fingerprint(certificates[shown].certFile));
      await using place = await ftpDriver.open(server.url('ftps', 'x', `fingerprint=${pin}`), { signal });
      await place.write('a', bodyOf(Buffer.from('content')), { signal });
      expect((await collect(place.read('a', { signal }))).toString()).toBe('content');
    }
  });

  test('that is pinned and has changed is refused, before the password is said', async () => {
    await using server = await withCertificate('good');
    const pin = encodeURIComponent(fingerprint(certificates.untrusted.certFile));
    for (const query of [`fingerprint=${pin}`, `fingerprint=${pin}&implicit=true`]) {
      await expect(stat(server.url('ftps', 'x', query))).rejects.toMatchObject({
        code: 'unauthenticated',
        reason: expect.stringContaining(fingerprint(certificates.good.certFile)),
        hint: expect.stringMatching(/new certificate/),
      });
    }
  });

  test('cannot be checked when the file of the authority is missing, or holds something else', async () => {
    await using server = await withCertificate('good');
    for (const file of ['/nowhere/ca.pem', certificates.good.keyFile]) {
      const url = server.url('ftps', 'x', `caFile=${encodeURIComponent(file)}`);
      await expect(stat(url)).rejects.toMatchObject({
        code: 'config_invalid',
        reason: expect.stringContaining(file),
      });
    }
  });
});

describe('proftpd', () => {
  test('without TLS is refused over ftps, with what to do about it', async () => {
    await using server = await startProftpd();
    await expect(stat(server.url('ftps', 'x'))).rejects.toMatchObject({
      code: 'unsupported',
      hint: expect.stringMatching(/allowPlaintext/),
    });
  });

  test('that wants TLS is not talked to in the clear', async () => {
    await using server = await startProftpd({ certificate: certificates.good, tlsRequired: true });
    await expect(stat(server.url('ftp', 'x', 'allowPlaintext=true'))).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringMatching(/ftps/),
    });
  });

  test('that does not demand the TLS session of the login serves just as well', async () => {
    await using server = await startProftpd({ certificate: certificates.good, sessionReuse: false });
    await using place = await ftpDriver.open(server.url('ftps', 'x', ca()), { signal });
    for (const key of ['a', 'b', 'c']) await place.write(key, bodyOf(Buffer.from(key)), { signal });
    expect(await listedKeys(place)).toEqual(['a', 'b', 'c']);
  });

  test('that refuses the password or the user says so, and nobody repeats the password', async () => {
    await using server = await withCertificate('good');
    const url = server.url('ftps', 'x', ca());
    for (const wrong of [url.replace(/:[^:@]*@/, ':nonsense@'), url.replace('//test:', '//nobody-here:')]) {
      const error = await stat(wrong).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'unauthenticated', hint: expect.stringMatching(/password/) });
      expect(JSON.stringify([String(error), error])).not.toMatch(/nonsense|geheim/);
    }
  });

  test('resets the data connection for a missing file: it is not_found, and the session stays', async () => {
    await using server = await startProftpd();
    const url = server.url('ftp', 'x', 'allowPlaintext=true&parallel=1');
    await using place = await ftpDriver.open(url, { signal });
    for (let i = 0; i < 3; i += 1)
      await expect(collect(place.read('missing', { signal }))).rejects.toMatchObject({ code: 'not_found' });
    await place.write('there', bodyOf(Buffer.from('x')), { signal });
    expect(await listedKeys(place)).toEqual(['there']);
  });

  test('whose user may not write says permission_denied, and what the user needs', async () => {
    await using server = await startProftpd();
    await chmod(server.home, 0o555);
    await using place = await ftpDriver.open(server.url('ftp', 'x', 'allowPlaintext=true'), { signal });
    const denied = { code: 'permission_denied', hint: expect.stringMatching(/rename and delete/) };
    await expect(place.prepare({ signal })).rejects.toMatchObject(denied);
    await expect(place.write('a', bodyOf(Buffer.from('x')), { signal })).rejects.toMatchObject(denied);
  });

  test('whose user may write but not read takes backups, with a warning', async () => {
    const settings = ['<Limit READ DIRS>', 'DenyAll', '</Limit>', '<Limit CWD PWD>', 'AllowAll', '</Limit>'];
    await using server = await startProftpd({ settings });
    await using place = await ftpDriver.open(server.url('ftp', '', 'allowPlaintext=true'), { signal });
    const warnings = await place.prepare({ signal });
    expect(warnings.join('\n')).toMatch(/may write, but not read/);
    expect(place.features.writeOnly).toBe(true);
    const bytes = Buffer.from('content');
    expect(await place.write('a/b', bodyOf(bytes), { signal, ifAbsent: true })).toEqual({
      key: 'a/b',
      bytes: 7,
    });
    await expect(place.stat('a/b', { signal })).rejects.toMatchObject({ code: 'permission_denied' });
  });

  test('that takes few logins is used with as many as it takes', async () => {
    await using server = await startProftpd({ settings: ['MaxClientsPerUser 2'] });
    await using place = await ftpDriver.open(server.url('ftp', 'x', 'allowPlaintext=true'), { signal });
    const keys = Array.from({ length: 12 }, (_, i) => `k/${i + 10}`);
    await Promise.all(keys.map((key) => place.write(key, bodyOf(Buffer.alloc(300_000)), { signal })));
    expect(await listedKeys(place)).toEqual(keys);
  });

  test('with checksums proves what it stored', async () => {
    await using server = await startProftpd({ modules: ['mod_digest'] });
    await using place = await ftpDriver.open(server.url('ftp', 'x', 'allowPlaintext=true'), { signal });
    await place.prepare({ signal });
    expect(place.features.storedChecksum).toBe(true);
    await place.write('a b/object', bodyOf(Buffer.alloc(3_000_000, 7)), { signal });
    expect(await listedKeys(place)).toEqual(['a b/object']);
    expect(place.features.storedChecksum).toBe(true);
  });
});

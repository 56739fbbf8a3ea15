import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Destination } from '@holdfast/core';
import {
  bodyOf,
  collect,
  FakeClock,
  FtpStub,
  type FtpStubBehaviour,
  gatedBody,
  listed,
  listedKeys,
  seededBytes,
  sha256Of,
  temporaryFolder,
} from '@holdfast/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ftpDriver } from './index.ts';
import { largeKey, largeObject, promiseOf, restBytes } from './large-object.fixture.ts';

const { signal } = new AbortController();
const mebibyte = 1_048_576;
const plain = { signal };

async function start(behaviour: Partial<FtpStubBehaviour> = {}): Promise<FtpStub> {
  const stub = await FtpStub.start(behaviour);
  onTestFinished(() => stub[Symbol.asyncDispose]());
  return stub;
}

function urlOf(stub: FtpStub, query = ''): string {
  return `ftp://user:pass@127.0.0.1:${stub.port}/?allowPlaintext=true${query}`;
}

function open(stub: FtpStub, query = ''): Promise<Destination> {
  return ftpDriver.open(urlOf(stub, query), plain);
}

/** What a server that never stored anything holds. */
function expectNothing(stub: FtpStub): void {
  expect([...stub.files.keys()]).toEqual([]);
  expect([...stub.folders]).toEqual(['/']);
}

describe('a server', () => {
  test('that has ended an idle session is logged in to again', async () => {
    const stub = await start();
    await using place = await open(stub);
    for (const key of ['a', 'b', 'c']) {
      await place.write(key, bodyOf(Buffer.from(key)), plain);
      stub.endSessions();
      while (stub.sessions > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await listedKeys(place)).toEqual(['a', 'b', 'c']);
  });

  test('that has forgotten an idle session without a word is asked before it is relied on', async () => {
    const stub = await start();
    const clock = new FakeClock();
    await using place = await ftpDriver.open(urlOf(stub), { signal, clock });
    await place.write('a', bodyOf(Buffer.from('a')), plain);
    stub.behaviour.answer = (verb) => (verb === 'NOOP' ? '421 who are you?' : undefined);
    await clock.advance(60_000);
    const logins = stub.commands.filter((line) => line === 'PASS').length;
    await place.write('b', bodyOf(Buffer.from('b')), plain);
    expect(stub.commands.filter((line) => line === 'PASS')).toHaveLength(logins + 1);
  });

  test('that claims to know MLSD and does not is listed by LIST', async () => {
    const stub = await start({
      features: ['SIZE', 'MLST'],
      answer: (verb) => (verb === 'MLSD' ? '502 not implemented' : undefined),
    });
    await using place = await open(stub);
    await place.write('a/b', bodyOf(Buffer.from('x')), plain);
    expect(await listedKeys(place)).toEqual(['a/b']);
  });

  test('whose quota is used up says exhausted, and nothing stays', async () => {
    const stub = await start({ quotaBytes: 3 * mebibyte });
    await using place = await open(stub);
    const writing = place.write('f/a', bodyOf(seededBytes(9 * mebibyte, 1)), plain);
    await expect(writing).rejects.toMatchObject({ code: 'exhausted', hint: expect.stringMatching(/quota/) });
    expectNothing(stub);
  });

  test('that resets a data connection in the middle of an upload is unavailable, and nothing stays', async () => {
    const stub = await start({ resetDataAfter: 2 * mebibyte });
    await using place = await open(stub);
    const bytes = seededBytes(9 * mebibyte, 1);
    await expect(place.write('f/a', bodyOf(bytes), plain)).rejects.toMatchObject({ code: 'unavailable' });
    expectNothing(stub);
    await place.write('f/a', bodyOf(bytes), plain);
    expect(sha256Of(await collect(place.read('f/a', plain)))).toBe(sha256Of(bytes));
  });

  test('that resets a data connection in the middle of a download is unavailable', async () => {
    const stub = await start();
    await using place = await open(stub);
    const bytes = seededBytes(9 * mebibyte, 1);
    await place.write('a', bodyOf(bytes), plain);
    stub.behaviour.resetDataAfter = mebibyte;
    await expect(collect(place.read('a', plain))).rejects.toMatchObject({ code: 'unavailable' });
    expect(sha256Of(await collect(place.read('a', plain)))).toBe(sha256Of(bytes));
  });

  test('that stalls in an upload is left when the signal says so, and nothing stays', async () => {
    const stub = await start({ stallDataAfter: mebibyte });
    await using place = await open(stub);
    const controller = new AbortController();
    const writing = place.write('f/a', bodyOf(seededBytes(64 * mebibyte, 1)), { signal: controller.signal });
    while (stub.receivedBytes < mebibyte) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    expectNothing(stub);
  });

  test('that stalls in a download is left when the signal says so', async () => {
    const stub = await start();
    await using place = await open(stub);
    await place.write('a', bodyOf(seededBytes(4 * mebibyte, 1)), plain);
    stub.behaviour.stallDataAfter = mebibyte;
    const controller = new AbortController();
    let got = 0;
    const reading = (async () => {
      for await (const block of place.read('a', { signal: controller.signal })) {
        got += block.length;
        if (got === mebibyte) setImmediate(() => controller.abort());
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
    expect(await place.stat('a', plain)).toMatchObject({ bytes: 4 * mebibyte });
  });

  test('that stores fewer bytes than were sent is noticed, and nothing stays', async () => {
    const stub = await start({ storedBytesMax: 1000 });
    await using place = await open(stub);
    await expect(place.write('f/a', bodyOf(seededBytes(5000, 1)), plain)).rejects.toMatchObject({
      code: 'unavailable',
      reason: expect.stringMatching(/5000 bytes were sent .* stores 1000/),
    });
    expectNothing(stub);
  });

  test('that stores other bytes than were sent is noticed by its checksum, and nothing stays', async () => {
    const wrong = '0'.repeat(64);
    const stub = await start({
      features: ['SIZE', 'XSHA256'],
      answer: (verb) => (verb === 'XSHA256' ? `250 ${wrong}` : undefined),
    });
    await using place = await open(stub);
    await expect(place.write('f/a', bodyOf(seededBytes(5000, 1)), plain)).rejects.toMatchObject({
      code: 'unavailable',
      reason: expect.stringMatching(/other bytes/),
    });
    expectNothing(stub);
  });

  test('that does not give the checksum it offers is not said to prove anything', async () => {
    const stub = await start({ features: ['SIZE', 'XMD5'] });
    await using place = await open(stub);
    await place.prepare(plain);
    expect(place.features.storedChecksum).toBe(true);
    await place.write('a', bodyOf(Buffer.from('x')), plain);
    expect(place.features.storedChecksum).toBe(false);
  });

  test('on which an object of another size has the key says conflict, and keeps it', async () => {
    const stub = await start();
    await using place = await open(stub);
    await place.write('a', bodyOf(seededBytes(10, 1)), plain);
    const second = place.write('a', bodyOf(seededBytes(20, 2)), { signal, ifAbsent: true, sizeBytes: 20 });
    await expect(second).rejects.toMatchObject({ code: 'conflict' });
    expect(stub.files.get('/a')).toHaveLength(10);
  });

  test('on which the object comes into being while another is sent says conflict in the end', async () => {
    const stub = await start();
    await using place = await open(stub);
    const body = gatedBody(seededBytes(1000, 1), seededBytes(1000, 2));
    const writing = place.write('a', body, { signal, ifAbsent: true });
    await body.reached;
    stub.files.set('/a', Buffer.from('of another process'));
    body.open();
    await expect(writing).rejects.toMatchObject({ code: 'conflict' });
    expect([...stub.files]).toEqual([['/a', Buffer.from('of another process')]]);
  });

  for (const listStyle of ['unix', 'dos'] as const) {
    test(`without MLSD is listed by LIST, in the style of ${listStyle}`, async () => {
      const stub = await start({ listStyle });
      await using place = await open(stub);
      const sizes = { 'a/b c/1': 3, 'a/2': 0, 'top [x]': 1_234_567 };
      for (const [key, size] of Object.entries(sizes))
        await place.write(key, bodyOf(seededBytes(size, 1)), plain);
      const found = await listed(place);
      expect(Object.fromEntries(found.map(({ key, bytes }) => [key, bytes]))).toEqual(sizes);
      expect(await listedKeys(place, 'a/b')).toEqual(['a/b c/1']);
    });
  }

  test('that names an address of its own network for data is reached where it was called', async () => {
    const stub = await start({
      passiveHost: '10.255.0.1',
      answer: (verb) => (verb === 'EPSV' ? '500 unknown' : undefined),
    });
    await using place = await open(stub);
    await place.write('a', bodyOf(Buffer.from('x')), plain);
    expect(await listedKeys(place)).toEqual(['a']);
  });

  test('that never renames over a file gets it out of the way first', async () => {
    const stub = await start({ neverReplaces: true });
    await using place = await open(stub);
    for (const content of ['first', 'second']) await place.write('a', bodyOf(Buffer.from(content)), plain);
    expect([...stub.files]).toEqual([['/a', Buffer.from('second')]]);
  });

  test('that says "later" is unavailable; that it is full of clients, exhausted', async () => {
    for (const [greeting, code] of [
      ['421 come back later', 'unavailable'],
      ['421 Too many connections (50)', 'exhausted'],
      ['530 Sorry, the maximum number of clients is connected', 'exhausted'],
    ] as const) {
      const stub = await start({ greeting });
      await using place = await open(stub);
      await expect(place.stat('a', plain), greeting).rejects.toMatchObject({ code });
    }
  });

  test('that is not there, or has no such name, says so', async () => {
    const stub = await start();
    const url = urlOf(stub);
    await stub[Symbol.asyncDispose]();
    for (const [where, reason] of [
      [url, /nothing listens/],
      [url.replace('127.0.0.1', 'no-such-host.invalid'), /is not known/],
    ] as const) {
      await using place = await ftpDriver.open(where, plain);
      await expect(place.stat('a', plain)).rejects.toMatchObject({
        code: 'unavailable',
        reason: expect.stringMatching(reason),
      });
    }
  });
});

describe('a command that prints the login', () => {
  const print = (passwords: string): { command: readonly string[]; timeoutMs: number } => {
    const script = `
      const { existsSync, writeFileSync } = require('node:fs');
      const again = existsSync(process.argv[1]);
      writeFileSync(process.argv[1], '');
      const password = ${passwords};
      console.log(JSON.stringify({ user: 'user', password }));`;
    return { command: [process.execPath, '-e', script], timeoutMs: 30_000 };
  };

  test('is asked again when the server does not take what it printed', async () => {
    const stub = await start();
    await using folder = await temporaryFolder('ftp-login');
    const { command, timeoutMs } = print("again ? 'right' : 'wrong'");
    const credentials = { command: [...command, folder.join('asked')], timeoutMs };
    const url = urlOf(stub).replace('user:pass@', '');
    await using place = await ftpDriver.open(url, { signal, credentials });
    expect(await place.stat('a', plain)).toBeUndefined();
    expect(stub.commands.filter((line) => line === 'PASS')).toHaveLength(2);
  });

  test('whose login is not taken is unauthenticated', async () => {
    const stub = await start();
    await using folder = await temporaryFolder('ftp-login');
    const { command, timeoutMs } = print("'wrong'");
    const credentials = { command: [...command, folder.join('asked')], timeoutMs };
    await using place = await ftpDriver.open(urlOf(stub), { signal, credentials });
    await expect(place.stat('a', plain)).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('an upload that was killed in the middle', () => {
  const size = 12 * mebibyte;
  const bytes = largeObject(size);

  async function killOne(stub: FtpStub): Promise<void> {
    const script = fileURLToPath(new URL('./upload-child.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', script, urlOf(stub), String(size)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    while (stub.receivedBytes < size - restBytes) await new Promise((resolve) => setImmediate(resolve));
    child.kill('SIGKILL');
    await exited;
    while (stub.sessions > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  test('is gone on with: only what was missing is sent', async () => {
    const stub = await start();
    await killOne(stub);
    await using place = await open(stub);
    expect(await listedKeys(place)).toEqual([]);
    stub.receivedBytes = 0;
    await place.write(largeKey, bodyOf(bytes), { signal, ...promiseOf(bytes), ifAbsent: true });
    expect(stub.receivedBytes).toBe(restBytes);
    expect([...stub.files.keys()]).toEqual([`/${largeKey}`]);
    expect([...stub.folders]).toEqual(['/', '/task', '/task/chain']);
    expect(sha256Of(stub.files.get(`/${largeKey}`) as Buffer)).toBe(sha256Of(bytes));
  });

  for (const [how, refused, sent] of [
    ['by APPE, where STOR takes no offset', [], restBytes],
    ['from the beginning, where there is no APPE either', ['APPE'], size],
  ] as const) {
    test(`is gone on with ${how}`, async () => {
      const stub = await start();
      await killOne(stub);
      let before = '';
      stub.behaviour.answer = (verb) => {
        const offset = before === 'REST';
        before = verb;
        if (verb === 'STOR' && offset) return '504 not from there';
        return refused.some((each) => each === verb) ? '502 not here' : undefined;
      };
      await using place = await open(stub);
      stub.receivedBytes = 0;
      await place.write(largeKey, bodyOf(bytes), { signal, ...promiseOf(bytes) });
      expect(stub.receivedBytes).toBe(sent);
      expect([...stub.files.keys()]).toEqual([`/${largeKey}`]);
      expect(sha256Of(stub.files.get(`/${largeKey}`) as Buffer)).toBe(sha256Of(bytes));
    });
  }

  test('is gone on with although the server ends the session when its download is cut', async () => {
    const stub = await start();
    await killOne(stub);
    await using place = await open(stub);
    // The first reads the end of what is there, the second reads it once more when the rest has been sent.
    stub.behaviour.endsAtDownload = 2;
    await place.write(largeKey, bodyOf(bytes), { signal, ...promiseOf(bytes) });
    expect(stub.behaviour.endsAtDownload).toBe(0);
    expect([...stub.files.keys()]).toEqual([`/${largeKey}`]);
    expect(sha256Of(stub.files.get(`/${largeKey}`) as Buffer)).toBe(sha256Of(bytes));
  });

  test('leaves nothing once its key is deleted', async () => {
    const stub = await start();
    await killOne(stub);
    await using place = await open(stub);
    await place.delete(largeKey, plain);
    expectNothing(stub);
  });

  test('whose beginning is not what is to be sent begins anew', async () => {
    const stub = await start();
    await killOne(stub);
    const [path, left] = [...stub.files][0] as [string, Buffer];
    stub.files.set(path, Buffer.alloc(left.length, 7));
    await using place = await open(stub);
    stub.receivedBytes = 0;
    await place.write(largeKey, bodyOf(bytes), { signal, ...promiseOf(bytes) });
    expect(stub.receivedBytes).toBe(size);
    expect(sha256Of(stub.files.get(`/${largeKey}`) as Buffer)).toBe(sha256Of(bytes));
  });
});

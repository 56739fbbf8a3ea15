import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { HoldfastError, SystemClock } from '@holdfast/core';
import {
  type FaultySftp,
  freePort,
  type Sshd,
  type SshKeyType,
  startFaultySftp,
  startSshd,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onFaulty, onSshd, type PlaceOptions } from './sftp.fixture.ts';
import { SftpDestination } from './sftp-destination.ts';
import { parseSftpUrl } from './url.ts';

const { signal } = new AbortController();
let sshd: Sshd;
let faulty: FaultySftp;

beforeAll(async () => {
  [sshd, faulty] = await Promise.all([startSshd(), startFaultySftp()]);
});

afterAll(async () => {
  await Promise.all([sshd?.[Symbol.asyncDispose](), faulty?.[Symbol.asyncDispose]()]);
});

/** A place whose URL says nothing of keys but what is given here. */
async function placeWith(parameters: Readonly<Record<string, string>>): Promise<SftpDestination> {
  const url = `sftp://${sshd.user}@127.0.0.1:${sshd.port}${await sshd.newFolder()}`;
  const query = new URLSearchParams({ privateKey: sshd.userKey.file, ...parameters });
  return new SftpDestination({ location: parseSftpUrl(`${url}?${query}`), clock: new SystemClock() });
}

async function problemOf(place: SftpDestination): Promise<HoldfastError> {
  await using opened = place;
  try {
    await opened.prepare({ signal });
  } catch (error) {
    return HoldfastError.from(error);
  }
  throw new Error('it was let in');
}

async function knownHosts(text: string): Promise<string> {
  const path = sshd.folder.join(`known-${process.hrtime.bigint()}`);
  await writeFile(path, text);
  return path;
}

function lineOf(type: SshKeyType): string {
  return `[127.0.0.1]:${sshd.port} ${sshd.hostKeys.get(type)?.line}\n`;
}

describe('logging in', () => {
  test('by a key whose file is encrypted', async () => {
    await using place = await placeWith({
      privateKey: sshd.lockedKey.file,
      passphrase: 'phrase',
      knownHosts: sshd.knownHosts,
    });
    expect(await place.prepare({ signal })).toEqual([]);
  });

  test('by an agent', async () => {
    await using folder = await temporaryFolder('agent');
    const socket = folder.join('socket');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await once(agent.stdout, 'data');
      execFileSync('ssh-add', ['-q', sshd.userKey.file], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
      const path = await sshd.newFolder();
      const url = `sftp://${sshd.user}@127.0.0.1:${sshd.port}${path}?agent=${socket}&knownHosts=${sshd.knownHosts}`;
      await using place = new SftpDestination({ location: parseSftpUrl(url), clock: new SystemClock() });
      await place.prepare({ signal });
    } finally {
      agent.kill();
      await once(agent, 'exit');
    }
    const gone = onSshd(sshd, '/x', { parameters: { agent: socket, privateKey: sshd.strangerKey.file } });
    expect((await problemOf(gone)).message).toMatch(/agent does not answer|refuses user/);
  });

  test('by a password that the server asks for as a question', async () => {
    await using server = await startFaultySftp({ login: 'keyboard' });
    await using place = onFaulty(server, '/a/b');
    await place.prepare({ signal });
    const wrong = onFaulty(server, '/a/b', { parameters: {}, credentials: printing({ password: 'wrong' }) });
    expect(await problemOf(wrong)).toMatchObject({ code: 'unauthenticated' });
  });

  test('with what a command prints, over what the URL says', async () => {
    const command = printing({ user: faulty.user, password: faulty.password });
    const url = `sftp://other:wrong@127.0.0.1:${faulty.port}/command?hostKey=${faulty.hostKey.fingerprint}`;
    await using place = new SftpDestination({
      location: parseSftpUrl(url),
      credentials: command,
      clock: new SystemClock(),
    });
    await place.prepare({ signal });
  });

  const refused: readonly [string, () => PlaceOptions, RegExp][] = [
    [
      'a wrong password',
      () => ({ credentials: printing({ password: 'geheim-wrong' }) }),
      /refuses user test/,
    ],
    [
      'an unknown user',
      () => ({ credentials: printing({ user: 'nobody-here' }) }),
      /refuses user nobody-here/,
    ],
  ];
  for (const [what, options, said] of refused) {
    test(`with ${what} is refused as unauthenticated`, async () => {
      const problem = await problemOf(onFaulty(faulty, '/x', options()));
      expect(problem).toMatchObject({ code: 'unauthenticated', message: expect.stringMatching(said) });
      expect(`${problem.message} ${problem.hint}`).not.toContain('geheim');
    });
  }

  test('with a key that the server does not know is refused as unauthenticated', async () => {
    const place = await placeWith({ privateKey: sshd.strangerKey.file, knownHosts: sshd.knownHosts });
    expect(await problemOf(place)).toMatchObject({ code: 'unauthenticated' });
  });

  for (const [what, passphrase, said] of [
    ['a wrong passphrase', { passphrase: 'geheim' }, 'does not open'],
    ['no passphrase', {}, 'there is no passphrase'],
  ] as const) {
    test(`with ${what} is told before anything is connected`, async () => {
      const nobody = await freePort();
      const parameters = { privateKey: sshd.lockedKey.file, ...passphrase };
      const problem = await problemOf(onSshd(sshd, '/x', { port: nobody, parameters }));
      expect(problem).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining(said) });
      expect(problem.message).not.toContain('geheim');
    });
  }

  test('with a file that is no private key is told', async () => {
    const place = (file: string): SftpDestination => onSshd(sshd, '/x', { parameters: { privateKey: file } });
    expect(await problemOf(place(`${sshd.userKey.file}.pub`))).toMatchObject({ code: 'config_invalid' });
    expect(await problemOf(place(sshd.knownHosts))).toMatchObject({ code: 'config_invalid' });
    expect(await problemOf(place('/no/such/key'))).toMatchObject({ code: 'precondition_failed' });
  });
});

describe('the host key', () => {
  for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
    test(`that is known may be of type ${type}, whichever others the server has`, async () => {
      await using byFile = await placeWith({ knownHosts: await knownHosts(lineOf(type)) });
      await byFile.prepare({ signal });
      await using pinned = await placeWith({ hostKey: sshd.hostKeys.get(type)?.fingerprint ?? '' });
      await pinned.prepare({ signal });
    });
  }

  test('that is unknown is refused with its fingerprint and the line that would make it known', async () => {
    const empty = await knownHosts('');
    const problem = await problemOf(await placeWith({ knownHosts: empty }));
    expect(problem).toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining('is not known'),
    });
    expect(problem.message).toContain(sshd.hostKeys.get('ed25519')?.fingerprint);
    expect(problem.hint).toContain('compare the fingerprint');
    // The very line lets one in.
    const line = /(\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+)/.exec(problem.hint ?? '')?.[1] ?? '';
    await using place = await placeWith({ knownHosts: await knownHosts(`${line}\n`) });
    await place.prepare({ signal });
  });

  test('that was changed is refused loudly, whatever is pinned', async () => {
    const stranger = `[127.0.0.1]:${sshd.port} ${sshd.strangerKey.line}\n`;
    for (const parameters of [
      { knownHosts: await knownHosts(stranger) },
      { hostKey: sshd.strangerKey.fingerprint },
    ]) {
      const problem = await problemOf(await placeWith(parameters));
      expect(problem).toMatchObject({
        code: 'precondition_failed',
        message: expect.stringMatching(/THE HOST KEY OF .* (HAS CHANGED|IS NOT THE ONE THAT IS PINNED)/),
        hint: expect.stringContaining('someone may be in between'),
      });
    }
  });

  test('of a type that the server no longer has is a changed one', async () => {
    await using other = await startSshd({ hostKeys: ['ed25519'] });
    const line = `[127.0.0.1]:${other.port} ${sshd.hostKeys.get('rsa')?.line}\n`;
    const url = `sftp://${other.user}@127.0.0.1:${other.port}/x?privateKey=${other.userKey.file}`;
    const location = parseSftpUrl(`${url}&knownHosts=${await knownHosts(line)}`);
    const problem = await problemOf(new SftpDestination({ location, clock: new SystemClock() }));
    expect(problem).toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining(other.hostKeys.get('ed25519')?.fingerprint ?? ''),
    });
  });
});

describe('a server', () => {
  test('that is not there is unavailable', async () => {
    const place = onSshd(sshd, '/x', { port: await freePort() });
    expect(await problemOf(place)).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('nothing listens'),
    });
  });

  test('whose name is not found is told', async () => {
    const url = `sftp://me@no-such-host.invalid/x?privateKey=${sshd.userKey.file}&hostKey=${sshd.strangerKey.fingerprint}`;
    const place = new SftpDestination({ location: parseSftpUrl(url), clock: new SystemClock() });
    expect(await problemOf(place)).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('not found'),
    });
  });

  test('that lets one in, but has no SFTP, is told', async () => {
    await using other = await startSshd({ subsystem: '/bin/false', hostKeys: ['ed25519'] });
    expect(await problemOf(onSshd(other, '/x'))).toMatchObject({
      code: 'unsupported',
      hint: expect.stringContaining('Subsystem sftp'),
    });
  });
});

function printing(fields: Readonly<Record<string, string>>): { command: string[]; timeoutMs: number } {
  return { command: [process.execPath, '-p', `'${JSON.stringify(fields)}'`], timeoutMs: 30_000 };
}

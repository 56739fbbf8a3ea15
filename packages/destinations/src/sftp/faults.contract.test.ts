import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WriteOptions } from '@holdfast/core';
import {
  bodyOf,
  collect,
  type FaultySftp,
  gatedBody,
  listedKeys,
  runMounted,
  type Sshd,
  seededBytes,
  sha256Of,
  startFaultySftp,
  startSshd,
  TcpProxy,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { onFaulty, onSshd, sshdUrl } from './sftp.fixture.ts';
import type { SftpDestination } from './sftp-destination.ts';

const { signal } = new AbortController();
const mebibyte = 1024 * 1024;
const bytes = seededBytes(12 * mebibyte + 5, 7);
const promised = {
  signal,
  ifAbsent: true,
  resumable: true,
  sizeBytes: bytes.length,
  sha256: sha256Of(bytes),
};

let sshd: Sshd;
let faulty: FaultySftp;
let folders = 0;

beforeAll(async () => {
  [sshd, faulty] = await Promise.all([startSshd({ hostKeys: ['ed25519'] }), startFaultySftp()]);
});

afterAll(async () => {
  await Promise.all([sshd?.[Symbol.asyncDispose](), faulty?.[Symbol.asyncDispose]()]);
});

afterEach(() => {
  for (const name of Object.keys(faulty.trouble) as (keyof typeof faulty.trouble)[])
    delete faulty.trouble[name];
});

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/** A folder of its own on the server that fails. */
async function troubled(): Promise<{ place: SftpDestination; folder: string }> {
  folders += 1;
  const place = onFaulty(faulty, `/trouble-${folders}`);
  await place.prepare({ signal });
  return { place, folder: faulty.folder.join(`trouble-${folders}`) };
}

function put(place: SftpDestination, key: string, o: Partial<WriteOptions> = {}): Promise<unknown> {
  return place.write(key, bodyOf(bytes), { signal, ifAbsent: true, sizeBytes: bytes.length, ...o });
}

/** What lies below a folder, but the marker. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name !== '.holdfast-repository').sort();
}

describe('a disk of the server that', () => {
  test('is full is told, nothing of the object stays, a smaller one fits; one that is read-only is told', async () => {
    await using folder = await temporaryFolder('sftp-disk');
    const said = await runMounted({
      script: pathOf('./disk-child.fixture.ts'),
      folder: folder.path,
      sizeBytes: 8 * mebibyte,
    });
    expect(said).toEqual({
      warnings: [expect.stringContaining("the server's disk is nearly full")],
      refused: expect.stringMatching(/^\[exhausted\] could not write .*a\/large .* \| make room/),
      left: ['.holdfast-repository'],
      small: 'ok',
      readOnly: expect.stringMatching(/^\[permission_denied\] .*read-only/),
    });
  });

  for (const [what, trouble] of [
    ['is full from the middle on', { writes: 'full', afterBytes: 5 * mebibyte }],
    ['is full at the last write', { writes: 'full', afterBytes: bytes.length - 1 }],
    ['is full when the file is closed', { closes: 'full' }],
    ['is full, and says so to nobody', { writes: 'silent', afterBytes: 9 * mebibyte }],
  ] as const) {
    test(`${what} rejects with exhausted and leaves nothing`, async () => {
      const { place, folder } = await troubled();
      await using opened = place;
      const { afterBytes = 0, ...rest } = { afterBytes: undefined, ...trouble };
      Object.assign(faulty.trouble, rest, { afterBytes: faulty.bytesWritten + afterBytes });
      await expect(put(opened, 'a/b')).rejects.toMatchObject({ code: 'exhausted' });
      expect(await namesIn(folder)).toEqual([]);
    });
  }
});

describe('a server that', () => {
  test('stalls ends a write when it is told to stop, and nothing is left', async () => {
    const { place, folder } = await troubled();
    await using opened = place;
    const stalled = Promise.withResolvers<void>();
    Object.assign(faulty.trouble, { writes: 'stall', afterBytes: faulty.bytesWritten + 3 * mebibyte });
    faulty.trouble.onTrouble = stalled.resolve;
    const controller = new AbortController();
    const writing = put(opened, 'a/b', { signal: controller.signal });
    const outcome = writing.catch((error: unknown) => error);
    await stalled.promise;
    controller.abort();
    expect(await outcome).toMatchObject({ code: 'cancelled' });
    faulty.trouble.writes = undefined;
    expect(await namesIn(folder)).toEqual([]);
    await put(opened, 'a/b');
  });

  test('does not answer to anything any more ends a list when it is told to stop', async () => {
    await using proxy = await TcpProxy.open(sshd.port);
    await using place = onSshd(sshd, await sshd.newFolder(), { port: proxy.port });
    await place.prepare({ signal });
    await proxy.setMode('stall');
    const controller = new AbortController();
    const listing = collect(
      (async function* () {
        for await (const { key } of place.list('', { signal: controller.signal })) yield Buffer.from(key);
      })(),
    ).catch((error: unknown) => error);
    controller.abort();
    expect(await listing).toMatchObject({ code: 'cancelled' });
  });

  for (const at of [1, 100_000, 6 * mebibyte, 12 * mebibyte]) {
    test(`is cut off after ${at} bytes leaves nothing, and the next write goes through`, async () => {
      await using proxy = await TcpProxy.open(sshd.port);
      const folder = await sshd.newFolder();
      await using place = onSshd(sshd, folder, { port: proxy.port });
      await place.prepare({ signal });
      proxy.cutAfter(at);
      await expect(put(place, 'a/b')).rejects.toMatchObject({ code: 'unavailable' });
      expect(await namesIn(folder)).toEqual([]);
      await put(place, 'a/b');
      expect(sha256Of(await collect(place.read('a/b', { signal })))).toBe(promised.sha256);
    });
  }

  test('is cut off while it closes the file leaves nothing', async () => {
    const { place, folder } = await troubled();
    await using opened = place;
    faulty.trouble.onTrouble = () => {
      faulty.trouble.closes = undefined;
    };
    // The first file that is closed may be another than the one that is written: that one is opened once more.
    let failure: unknown;
    for (let writes = 0; writes < 20 && failure === undefined; writes += 1) {
      faulty.trouble.closes = 'drop';
      const key = `a/${writes}`;
      failure = await put(opened, key).then(
        () => undefined,
        (error: unknown) => error,
      );
      await opened.delete(key, { signal });
    }
    expect(failure).toMatchObject({ code: 'unavailable' });
    expect(await namesIn(folder)).toEqual([]);
  });

  test('is cut off while it is read from rejects, and the rest can be read after that', async () => {
    await using proxy = await TcpProxy.open(sshd.port);
    await using place = onSshd(sshd, await sshd.newFolder(), { port: proxy.port });
    await put(place, 'a/b');
    proxy.cutAfter(5 * mebibyte, 'toClient');
    await expect(collect(place.read('a/b', { signal }))).rejects.toMatchObject({ code: 'unavailable' });
    expect(sha256Of(await collect(place.read('a/b', { signal })))).toBe(promised.sha256);
  });

  test('lets this user only read is told by prepare and by write', async () => {
    await using reader = await startSshd({ hostKeys: ['ed25519'], subsystem: 'internal-sftp -R' });
    const folder = await reader.newFolder();
    await writeFile(join(folder, 'there'), 'x');
    await using place = onSshd(reader, folder);
    const refused = { code: 'permission_denied' };
    await expect(place.prepare({ signal })).rejects.toMatchObject(refused);
    await expect(put(place, 'a/b')).rejects.toMatchObject(refused);
    await expect(place.delete('there', { signal })).rejects.toMatchObject(refused);
    expect(await listedKeys(place)).toEqual(['there']);
  });

  test('lets this user only write takes backups, and prepare says what cannot be done', async () => {
    await using writer = await startSshd({
      hostKeys: ['ed25519'],
      subsystem: 'internal-sftp -P read,opendir,readdir',
    });
    const folder = await writer.newFolder();
    await using place = onSshd(writer, folder);
    for (let i = 0; i < 2; i += 1) {
      expect(await place.prepare({ signal })).toEqual([
        expect.stringMatching(/lets this user write, but not read/),
      ]);
      expect(place.features.writeOnly).toBe(true);
    }
    await put(place, 'a/b');
    await put(place, 'a/c', promised);
    expect(sha256Of(await readFile(join(folder, 'a/c')))).toBe(promised.sha256);
    await expect(collect(place.read('a/b', { signal }))).rejects.toMatchObject({ code: 'permission_denied' });
    await expect(listedKeys(place)).rejects.toMatchObject({ code: 'permission_denied' });
  });

  test('has no extensions does not promise to decide who is first', async () => {
    const { place } = await troubled();
    await using opened = place;
    expect(opened.features.conditionalWrite).toBe(false);
    await using other = onSshd(sshd, await sshd.newFolder());
    expect(other.features.conditionalWrite).toBe(false);
    await other.prepare({ signal });
    expect(other.features.conditionalWrite).toBe(true);
  });
});

describe('a folder in which', () => {
  test('an object of another size is there already keeps it', async () => {
    const folder = await sshd.newFolder();
    await mkdir(join(folder, 'a'));
    await writeFile(join(folder, 'a/b'), 'shorter');
    await using place = onSshd(sshd, folder);
    await expect(put(place, 'a/b')).rejects.toMatchObject({ code: 'conflict' });
    await expect(put(place, 'a/b', promised)).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(join(folder, 'a/b'), 'utf8')).toBe('shorter');
    expect(await namesIn(folder)).toEqual(['a', 'a/b']);
  });

  test('symbolic links lead out of it is not followed there, by any verb', async () => {
    const [folder, outside] = [await sshd.newFolder(), await sshd.newFolder()];
    await writeFile(join(outside, 'secret'), 'x');
    await symlink(outside, join(folder, 'out'));
    await symlink(join(outside, 'secret'), join(folder, 'link'));
    await using place = onSshd(sshd, folder);
    const refused = { code: 'precondition_failed', message: expect.stringContaining('symbolic link') };
    await expect(put(place, 'out/new')).rejects.toMatchObject(refused);
    await expect(collect(place.read('out/secret', { signal }))).rejects.toMatchObject(refused);
    await expect(place.stat('out/secret', { signal })).rejects.toMatchObject(refused);
    await expect(place.delete('out/secret', { signal })).rejects.toMatchObject(refused);
    await expect(listedKeys(place, 'out/')).rejects.toMatchObject(refused);
    expect(await listedKeys(place)).toEqual([]);
    expect(await place.stat('link', { signal })).toBeUndefined();
    await expect(collect(place.read('link', { signal }))).rejects.toMatchObject({ code: 'not_found' });
    await place.delete('link', { signal });
    expect(await namesIn(outside)).toEqual(['secret']);
  });

  test('a file stands where a folder should is told', async () => {
    const folder = await sshd.newFolder();
    await writeFile(join(folder, 'a'), 'x');
    await using place = onSshd(sshd, folder);
    await expect(put(place, 'a/b')).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(await namesIn(folder)).toEqual(['a']);
  });

  test('dead writers left temporary files loses those that are older than a day, and no others', async () => {
    const folder = await sshd.newFolder();
    const ages = { '.holdfast-tmp-old': 25, '.holdfast-tmp-young': 20, '.holdfast-old-kept': 90 };
    for (const [name, hours] of Object.entries(ages)) {
      await writeFile(join(folder, name), 'a part');
      const at = new Date((await stat(folder)).mtimeMs - hours * 3_600_000);
      await utimes(join(folder, name), at, at);
    }
    await using place = onSshd(sshd, folder);
    await place.prepare({ signal });
    expect(await namesIn(folder)).toEqual(['.holdfast-old-kept', '.holdfast-tmp-young']);
  });

  test('the marker is gone, as when a file system is not mounted, is refused by every verb', async () => {
    const folder = await sshd.newFolder();
    await using place = onSshd(sshd, folder, { expectedId: 'the-one-that-was-there' });
    const gone = { code: 'unavailable', message: expect.stringContaining('is gone') };
    await expect(put(place, 'a/b')).rejects.toMatchObject(gone);
    await expect(listedKeys(place, 'a/')).rejects.toMatchObject(gone);
    await expect(place.stat('a/b', { signal })).rejects.toMatchObject(gone);
    await expect(collect(place.read('a/b', { signal }))).rejects.toMatchObject(gone);
    await expect(place.delete('a/b', { signal })).rejects.toMatchObject(gone);
    await expect(place.prepare({ signal })).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(await namesIn(folder)).toEqual([]);
  });
});

describe('a resumable write', () => {
  test('of a process that is killed is gone on with: only what is missing is sent', async () => {
    await using proxy = await TcpProxy.open(sshd.port);
    const folder = await sshd.newFolder();
    const size = 64 * mebibyte;
    const whole = seededBytes(size, 7);
    const child = spawn(process.execPath, [
      '--no-warnings',
      pathOf('./upload-child.fixture.ts'),
      sshdUrl(sshd, folder, { port: proxy.port }),
      'a/b',
      String(size),
    ]);
    const exited = once(child, 'exit');
    let printed = '';
    child.stdout.on('data', (text) => {
      printed += text;
    });
    // Held up there, it is killed in the middle of its upload.
    proxy.toServer.bytesPerSecond = 60 * mebibyte;
    while (proxy.toServerBytes < 40 * mebibyte && child.exitCode === null) await setImmediate();
    child.kill('SIGKILL');
    await exited;
    expect(printed).toBe('');
    await using place = onSshd(sshd, folder, { port: proxy.port });
    expect(await listedKeys(place)).toEqual([]);
    proxy.toServer.bytesPerSecond = 0;
    proxy.resetCounters();
    const o = { signal, ifAbsent: true, resumable: true, sizeBytes: size, sha256: sha256Of(whole) };
    await place.write('a/b', bodyOf(whole), o);
    // It had sent 40 MiB; of those, what was underway may be lost.
    expect(proxy.toServerBytes).toBeLessThan(size - 40 * mebibyte + 12 * mebibyte);
    expect(sha256Of(await readFile(join(folder, 'a/b')))).toBe(o.sha256);
    expect(await namesIn(folder)).toEqual(['a', 'a/b']);
  });

  test('that was broken off leaves nothing once its key is deleted', async () => {
    const folder = await sshd.newFolder();
    await using place = onSshd(sshd, folder);
    const controller = new AbortController();
    const body = gatedBody(bytes.subarray(0, 6 * mebibyte), bytes.subarray(6 * mebibyte));
    const writing = place.write('a/b', body, { ...promised, signal: controller.signal });
    await body.reached;
    controller.abort();
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    expect(await namesIn(folder)).toHaveLength(2);
    await place.delete('a/b', { signal });
    expect(await namesIn(folder)).toEqual([]);
  });

  test('fills the gaps that requests underway have left', async () => {
    const folder = await sshd.newFolder();
    await using place = onSshd(sshd, folder);
    const [part] = await brokenOff(place, folder);
    const there = await readFile(part);
    there.fill(0, 2 * mebibyte, 3 * mebibyte);
    await writeFile(part, there);
    await place.write('a/b', bodyOf(bytes), promised);
    expect(sha256Of(await readFile(join(folder, 'a/b')))).toBe(promised.sha256);
  });

  test('whose beginning does not fit says so when its body cannot be read again, and then begins anew', async () => {
    const folder = await sshd.newFolder();
    await using place = onSshd(sshd, folder);
    const large = seededBytes(24 * mebibyte, 3);
    const o = { ...promised, sizeBytes: large.length, sha256: sha256Of(large) };
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield* bodyOf(large);
    };
    const [part] = await brokenOff(place, folder, large, o);
    await writeFile(part, seededBytes(22 * mebibyte, 4));
    await expect(place.write('a/b', once(), o)).rejects.toMatchObject({ code: 'unavailable' });
    await place.write('a/b', once(), o);
    expect(sha256Of(await readFile(join(folder, 'a/b')))).toBe(o.sha256);
  });

  async function brokenOff(
    place: SftpDestination,
    folder: string,
    ...[content = bytes, o = promised]: [content?: Uint8Array, o?: typeof promised]
  ): Promise<[string]> {
    const controller = new AbortController();
    const cut = content.length - 2 * mebibyte;
    const body = gatedBody(content.subarray(0, cut), content.subarray(cut));
    const writing = place.write('a/b', body, { ...o, signal: controller.signal });
    await body.reached;
    controller.abort();
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    const names = await namesIn(folder);
    return [join(folder, names.at(-1) ?? '')];
  }
});

test('what was opened is closed when the destination is disposed of', async () => {
  await using proxy = await TcpProxy.open(sshd.port);
  const place = onSshd(sshd, await sshd.newFolder(), { port: proxy.port });
  await Promise.all(Array.from({ length: 8 }, (_, i) => put(place, `a/${i}`)));
  expect(proxy.connections).toBeLessThanOrEqual(4);
  await place[Symbol.asyncDispose]();
  while (proxy.live > 0) await setImmediate();
});

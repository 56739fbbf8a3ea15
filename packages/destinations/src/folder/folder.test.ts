import { link, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SystemClock } from '@holdfast/core';
import { bodyOf, collect, listedKeys, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { FolderDestination, type FolderOptions } from './folder-destination.ts';
import { folderDriver } from './index.ts';
import { temporaryName } from './temporary.ts';
import { parseFolderUrl } from './url.ts';

const { signal } = new AbortController();

function openIn(folder: TemporaryFolder, options: Partial<FolderOptions> = {}): FolderDestination {
  return new FolderDestination({ path: folder.path, clock: new SystemClock(), ...options });
}

async function put(place: FolderDestination, key: string, content = key): Promise<void> {
  await place.write(key, bodyOf(Buffer.from(content)), { signal, ifAbsent: true });
}

describe('the URL of a folder', () => {
  const read = [
    ['file:./backups', resolve('backups')],
    ['file:backups', resolve('backups')],
    ['file:/srv/backups', '/srv/backups'],
    ['file:///srv/backups', '/srv/backups'],
    ['file://localhost/srv/backups/', '/srv/backups'],
    ['file:///srv/with%20blank%3F', '/srv/with blank?'],
    ['file:/srv/a b#c', '/srv/a b#c'],
    ['FILE:/srv/backups', '/srv/backups'],
  ] as const;
  for (const [url, path] of read) {
    test(`${url} is ${path}`, () => {
      expect(parseFolderUrl(url)).toEqual({ path, mountRequired: false });
    });
  }

  test('mount=required is read', () => {
    expect(parseFolderUrl('file:/srv/nas?mount=required').mountRequired).toBe(true);
  });

  const refused = [
    ['file:', /names no folder/],
    ['file://', /names no folder/],
    ['file://server/share', /another machine/],
    ['file:~/backups', /shell/],
    ['file:/srv/100%', /%/],
    ['file:/a%00b', /NUL/],
    ['folder:/srv', /not a folder's URL/],
    ['file:/srv?mount=yes', /mount=yes/],
    ['file:/srv?callTimeout=0', /callTimeout=0/],
    ['file:/srv?callTimeout=1m', /callTimeout=1m/],
    ['file:/srv?mount=required&mount=required', /twice/],
  ] as const;
  for (const [url, message] of refused) {
    test(`${url} is refused`, () => {
      expect(() => parseFolderUrl(url)).toThrow(message);
      expect(() => parseFolderUrl(url)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    });
  }

  test('an unknown parameter is refused, naming the nearest', () => {
    expect(() => parseFolderUrl('file:/srv?muont=required')).toThrow(
      expect.objectContaining({ code: 'config_invalid', hint: 'did you mean mount?' }),
    );
    expect(() => parseFolderUrl('file:/srv?compress=yes')).toThrow(
      expect.objectContaining({ hint: 'known are: mount, callTimeout' }),
    );
  });
});

describe('the first use of a folder', () => {
  test('makes it and marks it; later ones find the same repository', async () => {
    await using folder = await temporaryFolder('first');
    const url = `file:${folder.join('deep', 'backups')}`;
    await using first = await folderDriver.open(url, { signal });
    expect(await first.prepare({ signal })).toEqual([]);
    const marker = JSON.parse(await readFile(folder.join('deep', 'backups', '.holdfast-repository'), 'utf8'));
    expect(marker).toEqual({
      format: 1,
      id: first.repositoryId,
      created: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    await using later = await folderDriver.open(url, { signal, expectedId: first.repositoryId });
    await later.prepare({ signal });
    expect(later.repositoryId).toBe(first.repositoryId);
    expect(await listedKeys(later)).toEqual([]);
  });

  test('by several at once makes one repository', async () => {
    await using folder = await temporaryFolder('first');
    const places = Array.from({ length: 8 }, () => openIn(folder));
    await Promise.all(places.map((place) => place.prepare({ signal })));
    expect(new Set(places.map(({ repositoryId }) => repositoryId)).size).toBe(1);
    expect(await readdir(folder.path)).toEqual(['.holdfast-repository']);
  });

  test('leaves foreign files alone, and lists them', async () => {
    await using folder = await temporaryFolder('first');
    await mkdir(folder.join('photos'));
    await writeFile(folder.join('photos', 'cat.jpg'), 'meow');
    const place = openIn(folder);
    await place.prepare({ signal });
    await put(place, 'task/object');
    expect(await listedKeys(place)).toEqual(['photos/cat.jpg', 'task/object']);
    expect(await readFile(folder.join('photos', 'cat.jpg'), 'utf8')).toBe('meow');
  });

  test('that only reads makes nothing', async () => {
    await using folder = await temporaryFolder('first');
    expect(await listedKeys(openIn(folder))).toEqual([]);
    expect(await readdir(folder.path)).toEqual([]);
    const missing = openIn(folder, { path: folder.join('missing') });
    await expect(listedKeys(missing)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await readdir(folder.path)).toEqual([]);
  });
});

describe('a folder that is not what it was', () => {
  test('with another repository is refused, naming both', async () => {
    await using folder = await temporaryFolder('other');
    const place = openIn(folder);
    await place.prepare({ signal });
    const later = openIn(folder, { expectedId: 'another' });
    await expect(later.prepare({ signal })).rejects.toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining(place.repositoryId as string),
    });
  });

  test('with a marker that says nothing is refused', async () => {
    await using folder = await temporaryFolder('other');
    await writeFile(folder.join('.holdfast-repository'), '{"format":');
    await expect(openIn(folder).prepare({ signal })).rejects.toMatchObject({
      code: 'corrupt',
      hint: expect.stringContaining('delete this object'),
    });
  });

  test('that is a file is refused', async () => {
    await using folder = await temporaryFolder('other');
    await writeFile(folder.join('file'), '');
    const place = openIn(folder, { path: folder.join('file') });
    await expect(place.prepare({ signal })).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('replaced during a run by one with the same marker (a remount) is the same', async () => {
    await using folder = await temporaryFolder('other');
    const path = folder.join('backups');
    const place = openIn(folder, { path });
    await place.prepare({ signal });
    const marker = await readFile(join(path, '.holdfast-repository'));
    await rm(path, { recursive: true });
    await mkdir(path);
    await writeFile(join(path, '.holdfast-repository'), marker);
    await put(place, 'a');
    expect(await listedKeys(place)).toEqual(['a']);
  });
});

describe('what is below the folder', () => {
  test('symbolic links are refused, not followed', async () => {
    await using folder = await temporaryFolder('links');
    await using outside = await temporaryFolder('outside');
    await writeFile(outside.join('secret'), 'secret');
    await symlink(outside.path, folder.join('out'));
    await symlink(outside.join('secret'), folder.join('file'));
    const place = openIn(folder);
    const refused = { code: 'precondition_failed', message: expect.stringContaining('symbolic link') };
    await expect(put(place, 'out/new')).rejects.toMatchObject(refused);
    await expect(collect(place.read('out/secret', { signal }))).rejects.toMatchObject(refused);
    await expect(place.stat('out/secret', { signal })).rejects.toMatchObject(refused);
    await expect(place.delete('out/secret', { signal })).rejects.toMatchObject(refused);
    await expect(listedKeys(place, 'out/')).rejects.toMatchObject(refused);
    await expect(collect(place.read('file', { signal }))).rejects.toMatchObject(refused);
    expect(await place.stat('file', { signal })).toBeUndefined();
    expect(await listedKeys(place)).toEqual([]);
    expect(await readdir(outside.path)).toEqual(['secret']);
  });

  test('the own files of the driver cannot be named by keys', async () => {
    await using folder = await temporaryFolder('own');
    const place = openIn(folder);
    await place.prepare({ signal });
    for (const key of ['.holdfast-repository', 'a/.holdfast-tmp-x']) {
      await expect(put(place, key)).rejects.toMatchObject({ code: 'config_invalid' });
      await expect(place.delete(key, { signal })).rejects.toMatchObject({ code: 'config_invalid' });
    }
  });

  test('objects are not for everybody to read', async () => {
    await using folder = await temporaryFolder('modes');
    await put(openIn(folder), 'task/object');
    expect((await stat(folder.join('task', 'object'))).mode & 0o007).toBe(0);
    expect((await stat(folder.join('task'))).mode & 0o007).toBe(0);
  });

  test('a folder goes with its last object', async () => {
    await using folder = await temporaryFolder('empty');
    const place = openIn(folder);
    for (const key of ['t/c1/a', 't/c1/b', 't/c2/a']) await put(place, key);
    await place.delete('t/c1/a', { signal });
    await place.delete('t/c1/b', { signal });
    expect(await readdir(folder.join('t'))).toEqual(['c2']);
    await place.delete('t/c2/a', { signal });
    expect(await readdir(folder.path)).toEqual(['.holdfast-repository']);
  });

  test('writing into a folder while its last object is deleted works', async () => {
    await using folder = await temporaryFolder('empty');
    const place = openIn(folder);
    for (let round = 0; round < 30; round += 1) {
      await put(place, 't/c/old');
      await Promise.all([place.delete('t/c/old', { signal }), put(place, `t/c/${round}`)]);
      expect(await listedKeys(place)).toEqual([`t/c/${round}`]);
      await place.delete(`t/c/${round}`, { signal });
    }
  });

  test('a file where a folder should be is told with its path', async () => {
    await using folder = await temporaryFolder('taken');
    const place = openIn(folder);
    await put(place, 'task');
    await expect(put(place, 'task/object')).rejects.toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining(folder.join('task')),
    });
  });
});

describe('prepare', () => {
  test('warns of a folder on the disk of the database, and says what that risks', async () => {
    await using folder = await temporaryFolder('disk');
    const [warning, ...more] = await openIn(folder).prepare({
      signal,
      neverOn: [folder.path, '/proc', '/none'],
    });
    expect(warning).toMatch(/same disk as the database .* lost together/);
    expect(more).toEqual([]);
  });

  test('finds out that a file system has no hard links', async () => {
    await using folder = await temporaryFolder('links');
    const none = async (): Promise<void> => {
      throw Object.assign(new Error('not supported'), { code: 'ENOTSUP' });
    };
    const place = openIn(folder, { link: none });
    await place.prepare({ signal });
    expect(place.features.conditionalWrite).toBe(false);
    await put(place, 'a');
    await expect(put(place, 'a')).rejects.toMatchObject({ code: 'conflict' });
    const usual = openIn(folder, { link });
    await usual.prepare({ signal });
    expect(usual.features.conditionalWrite).toBe(true);
    expect(await readdir(folder.path)).toEqual(['.holdfast-repository', 'a']);
  });

  test('a claim that a dead writer left does not hold others up', async () => {
    await using folder = await temporaryFolder('claims');
    const place = openIn(folder, {
      link: async () => {
        throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
      },
    });
    // A pid above what Linux gives out.
    await writeFile(
      folder.join('.holdfast-claim-a'),
      temporaryName().replace(`-${process.pid}-`, '-4194999-'),
    );
    await put(place, 'a');
    // One of another machine, which may live, and one that is old.
    await writeFile(folder.join('.holdfast-claim-b'), temporaryName().replace(/tmp-\w+-/, 'tmp-0123456789-'));
    await expect(put(place, 'b')).rejects.toMatchObject({ code: 'conflict' });
    const longAgo = new Date(Date.UTC(2020));
    await utimes(folder.join('.holdfast-claim-b'), longAgo, longAgo);
    await put(place, 'b');
    expect(await listedKeys(place)).toEqual(['a', 'b']);
  });
});

/** What a folder destination says when its disk is full, goes away or becomes read-only; see the faults' test. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  type DiskWay,
  listedKeys,
  remountReadOnly,
  seededBytes,
  unmount,
} from '@holdfast/testing';
import { FolderDestination, type FolderOptions } from './folder-destination.ts';

const [way, folder, scenario] = process.argv.slice(2) as [DiskWay, string, string];
const { signal } = new AbortController();
const path = way === 'mount' ? folder : join(folder, 'disk');
if (way === 'plain') mkdirSync(path);

const scenarios: Record<string, () => Promise<unknown>> = { full, gone, readOnly, mountRequired };
console.log(JSON.stringify(await scenarios[scenario]?.()));

function open(options: Partial<FolderOptions> = {}): FolderDestination {
  return new FolderDestination({ path, clock: new SystemClock(), ...options });
}

async function full(): Promise<unknown> {
  const place = open();
  await place.prepare({ signal });
  const refused = await attempt(() => put(place, 'a/large', 32 * 1024 * 1024));
  const left = [...(await listedKeys(place)), ...readdirSync(path)];
  const small = await attempt(() => put(place, 'a/small', 1024 * 1024));
  return { refused, left, small };
}

async function gone(): Promise<unknown> {
  const place = open();
  await place.prepare({ signal });
  await put(place, 'a/before', 1000);
  const expectedId = place.repositoryId;
  if (way === 'mount') unmount(folder);
  else {
    renameSync(path, join(folder, 'elsewhere'));
    mkdirSync(path);
  }
  const calls = {
    write: await attempt(() => put(place, 'a/after', 1000)),
    list: await attempt(() => listedKeys(place)),
    stat: await attempt(() => place.stat('a/before', { signal })),
    read: await attempt(() => collect(place.read('a/before', { signal }))),
    delete: await attempt(() => place.delete('a/before', { signal })),
    prepare: await attempt(() => place.prepare({ signal })),
    // A later process, which is told what was there.
    laterPrepare: await attempt(() => open({ expectedId }).prepare({ signal })),
    laterWrite: await attempt(() => put(open({ expectedId }), 'a/after', 1000)),
    laterList: await attempt(() => listedKeys(open({ expectedId }))),
  };
  const written = readdirSync(path);
  renameSync(path, `${path}.away`);
  const missing = await attempt(() => open({ expectedId }).prepare({ signal }));
  const made = existsSync(path);
  // Whoever made the folder removes it under its name.
  if (!made) renameSync(`${path}.away`, path);
  return { calls, written, missing, made };
}

async function readOnly(): Promise<unknown> {
  const place = open();
  await place.prepare({ signal });
  await put(place, 'a/before', 1000);
  if (way === 'mount') remountReadOnly(folder);
  else becomeReadOnly();
  return {
    write: await attempt(() => put(place, 'a/after', 1000)),
    prepare: await attempt(() => place.prepare({ signal })),
    delete: await attempt(() => place.delete('a/before', { signal })),
    read: await attempt(() => collect(place.read('a/before', { signal }))),
    keys: await listedKeys(place),
  };
}

/** By permissions, which bind everybody but root. */
function becomeReadOnly(): void {
  const nobody = 65534;
  if (process.getuid?.() === 0) {
    chmodSync(folder, 0o755);
    for (const name of ['.holdfast-repository', 'a/before', 'a', '.'])
      chownSync(join(path, name), nobody, nobody);
    process.seteuid?.(nobody);
  }
  chmodSync(join(path, 'a'), 0o555);
  chmodSync(path, 0o555);
}

async function mountRequired(): Promise<unknown> {
  const mounted = await attempt(() => open({ mountRequired: true }).prepare({ signal }));
  // The disk of / itself.
  const root = new FolderDestination({
    path: '/no-such-mount/backups',
    mountRequired: true,
    clock: new SystemClock(),
  });
  const unmounted = await attempt(() => root.prepare({ signal }));
  return { way, mounted, unmounted, made: existsSync('/no-such-mount') };
}

async function put(place: FolderDestination, key: string, size: number): Promise<void> {
  await place.write(key, bodyOf(seededBytes(size, 1)), { signal, ifAbsent: true });
}

async function attempt(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'ok';
  } catch (error) {
    const { message, hint } = HoldfastError.from(error);
    return `${message} | ${hint}`;
  }
}

/** What a folder destination does when the server behind its mount stops, goes on, dies; see the hung mount's test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { bodyOf, collect, gatedBody, listedKeys, seededBytes, sha256Of, unmount } from '@holdfast/testing';
import { FolderDestination } from './folder-destination.ts';

const [, folder] = process.argv.slice(2) as [string, string];
const { signal } = new AbortController();
const clock = new SystemClock();
// On the small disk that this process has for itself.
const server = join(folder, 'server');
const path = join(folder, 'mounted');
const cache = join(folder, 'cache');
for (const made of [server, path, cache]) mkdirSync(made);
const bytes = seededBytes(100_000, 1);

const place = new FolderDestination({ path, clock, callTimeoutMs: 400 });
let serving = await mount();
try {
  console.log(JSON.stringify(await played()));
} finally {
  serving.kill('SIGCONT');
  serving.kill('SIGKILL');
}
// Calls that hang for ever are not waited for.
process.exit(0);

async function played(): Promise<unknown> {
  await place.prepare({ signal });
  await put('a/before');
  const half = gatedBody(bytes, bytes);
  const aborting = new AbortController();
  const unfinished = attempt(() => place.write('a/half', half, { signal: aborting.signal, ifAbsent: true }));
  await half.reached;

  serving.kill('SIGSTOP');
  const hung = await all();
  // More than libuv has threads, and yet other files can be read.
  const others = (await readFile(process.argv[1] as string)).length > 0;
  const refused = await all();
  aborting.abort(new HoldfastError('lease_lost', 'another node is responsible now'));
  const aborted = await unfinished;

  serving.kill('SIGCONT');
  const healed = await untilOk(() => place.stat('a/before', { signal }));
  const after = await attempt(() => put('a/after'));
  const same = sha256Of(await collect(place.read('a/after', { signal }))) === sha256Of(bytes);
  const keys = (await listedKeys(place)).filter((key) => !key.startsWith('during/'));
  const left = await untilOk(async () => {
    const names = readdirSync(server, { recursive: true }).map(String);
    if (names.some((name) => name.includes('.holdfast-tmp-'))) throw new Error(names.join(' '));
  });

  serving.kill('SIGKILL');
  await new Promise((resolve) => serving.once('exit', resolve));
  const dead = await all();
  unmount(path);
  const unmounted = await all();
  const written = readdirSync(path);
  serving = await mount();
  const again = await attempt(() => put('a/again'));
  return { hung, others, refused, aborted, healed, after, same, keys, left, dead, unmounted, written, again };
}

/** Each verb, all at once; what they say without their paths. */
async function all(): Promise<string[]> {
  const outcomes = await Promise.all([
    ...[1, 2, 3].map((i) => attempt(() => put(`during/${i}`))),
    attempt(() => collect(place.read('a/before', { signal }))),
    attempt(() => place.stat('a/before', { signal })),
    attempt(() => listedKeys(place)),
    attempt(() => place.delete('a/none', { signal })),
    attempt(() => place.prepare({ signal })),
  ]);
  return outcomes.map((said) => said.replaceAll(folder, ''));
}

async function put(key: string): Promise<void> {
  await place.write(key, bodyOf(bytes), { signal, ifAbsent: true });
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

async function untilOk(act: () => Promise<unknown>): Promise<string> {
  let said = await attempt(act);
  for (let i = 0; i < 300 && said !== 'ok'; i += 1) {
    await clock.sleep(50, signal);
    said = await attempt(act);
  }
  return said;
}

/** A file system whose server is a process: stopping it is a server that does not answer. */
async function mount(): Promise<ChildProcess> {
  const options = [
    '--vfs-cache-mode',
    'writes',
    '--vfs-write-back',
    '0',
    '--attr-timeout',
    '0',
    '--dir-cache-time',
    '0',
  ];
  const own = ['--config', '/dev/null', '--cache-dir', cache];
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', 'rclone', 'mount', server, path, ...options, ...own],
    {
      stdio: 'ignore',
    },
  );
  while (statSync(path).dev === statSync(folder).dev) {
    if (child.exitCode !== null) throw new Error(`rclone mount ended with ${child.exitCode}`);
    await clock.sleep(20, signal);
  }
  return child;
}

// A process that makes backups of files that are there already, with the uploader and the drivers of destinations as a
// run opens them, and then tells what it took. See push.ts.
import { createCipheriv, createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { type FileHandle, link, open } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  type Destination,
  type DestinationDriver,
  manifestName,
  type Scope,
  type SegmentEntry,
  type StagedRun,
  SystemClock,
  segmentName,
} from '@holdfast/core';
import { DestinationMeter, RateLimit, RetryBudget, wrapDestination } from '@holdfast/destinations/wrap';
import { StagingArea } from '@holdfast/uploader';
import { type PushRequest, type PushResult, pushedChain, pushedTask } from './push.ts';

/** Backups of one chain: after so many a task makes a full backup again. */
const chainBackups = 100;

const drivers: Readonly<Record<string, () => Promise<DestinationDriver>>> = {
  file: async () => (await import('@holdfast/destinations/folder')).folderDriver,
  s3: async () => (await import('@holdfast/destinations/s3')).s3Driver,
  azure: async () => (await import('@holdfast/destinations/azure')).azureDriver,
  sftp: async () => (await import('@holdfast/destinations/sftp')).sftpDriver,
  ftp: async () => (await import('@holdfast/destinations/ftp')).ftpDriver,
  ftps: async () => (await import('@holdfast/destinations/ftp')).ftpDriver,
};

const { signal } = new AbortController();
const clock = new SystemClock();

/** Counts the bytes that are read from files in a folder by any handle. */
async function countReads(folder: string): Promise<() => number> {
  let counted = 0;
  const known = new WeakMap<FileHandle, boolean>();
  await using any = await open('/dev/null');
  const prototype = Object.getPrototypeOf(any) as FileHandle;
  const { read } = prototype;
  const counting = async function (this: FileHandle, ...args: unknown[]): Promise<unknown> {
    if (!known.has(this)) known.set(this, readlinkSync(`/proc/self/fd/${this.fd}`).startsWith(`${folder}/`));
    const done = (await Reflect.apply(read, this, args)) as { readonly bytesRead: number };
    if (known.get(this)) counted += done.bytesRead;
    return done;
  };
  Object.assign(prototype, { read: counting });
  return () => counted;
}

async function openOne(url: string, meter: DestinationMeter, rate: number | undefined): Promise<Destination> {
  const driver = await drivers[url.slice(0, url.indexOf(':'))]?.();
  if (!driver) throw new Error(`no driver for ${url}`);
  const limit = rate === undefined ? undefined : [new RateLimit({ bytesPerSecond: rate }, clock)];
  return wrapDestination(await driver.open(url, { signal }), {
    clock,
    meter,
    retry: { budget: new RetryBudget() },
    rate: limit && { write: limit, read: [] },
  });
}

interface Backup {
  readonly run: Pick<StagedRun, 'chain' | 'sequence' | 'scope'>;
  /** Puts the segments into the stage's folder. */
  readonly fill: (folder: string) => AsyncIterable<SegmentEntry>;
}

function* backupsOf({ backups }: PushRequest): Generator<Backup> {
  if ('segments' in backups) {
    const { folder, segments } = backups;
    yield {
      run: { chain: pushedChain, sequence: 0, scope: 'full' },
      fill: (to) => linked(folder, to, segments),
    };
    return;
  }
  for (let n = 0; n < backups.count; n += 1) {
    const sequence = n % chainBackups;
    const scope: Scope = sequence === 0 ? 'full' : 'incremental';
    const chain = pushedChain.replace(/g\d+$/, `g${1 + Math.floor(n / chainBackups)}`);
    const name = segmentName(sequence, scope, 1);
    const entry = { name, bytes: backups.segmentBytes, number: n };
    yield { run: { chain, sequence, scope }, fill: (to) => written(to, entry) };
  }
}

/** No byte is copied: what it takes to fill staging is not what is measured. */
async function* linked(
  from: string,
  to: string,
  segments: readonly SegmentEntry[],
): AsyncGenerator<SegmentEntry> {
  for (const segment of segments) {
    await link(join(from, segment.name), join(to, segment.name));
    yield segment;
  }
}

async function* written(
  to: string,
  { name, bytes, number }: { readonly name: string; readonly bytes: number; readonly number: number },
): AsyncGenerator<SegmentEntry> {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(number);
  const content = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
  await using handle = await open(join(to, name), 'wx');
  await handle.writeFile(content);
  await handle.sync();
  yield { name, bytes, sha256: createHash('sha256').update(content).digest('hex') };
}

async function backUp(
  area: StagingArea,
  destinations: readonly Destination[],
  { run, fill }: Backup,
): Promise<void> {
  const whole: StagedRun = { ...run, task: pushedTask, label: 'bench', startedAtMs: clock.now() };
  await using stage = await area.openRun(whole, destinations, { signal });
  const segments: SegmentEntry[] = [];
  for await (const segment of fill(stage.directory)) {
    stage.push(segment);
    segments.push(segment);
  }
  const manifest = Buffer.from(JSON.stringify({ holdfast: '0.1.0', segments }));
  await stage.seal(manifestName(run.sequence, run.scope), manifest, { signal });
  await stage.commit({ signal });
  for (const { destination, stored, error } of stage.outcomes)
    if (!stored) throw new Error(`${destination} has no backup: ${error?.message}`);
}

async function push(request: PushRequest): Promise<PushResult> {
  const stagedBytesRead = await countReads(request.staging);
  const area = new StagingArea({ directory: request.staging, clock });
  await area.prepare({ signal });
  await using stack = new AsyncDisposableStack();
  const meters = request.urls.map(() => new DestinationMeter());
  const opening = request.urls.map((url, at) =>
    openOne(url, meters[at] as DestinationMeter, request.rate).then((one) => stack.use(one)),
  );
  const destinations = await Promise.all(opening);
  await Promise.all(destinations.map((one) => one.prepare({ signal })));
  const start = performance.now();
  for (const backup of backupsOf(request)) await backUp(area, destinations, backup);
  const backupsSeconds = (performance.now() - start) / 1000;
  return {
    peakBytes: process.resourceUsage().maxRSS * 1024,
    stagedBytesRead: stagedBytesRead(),
    calls: meters.map(({ counts }) => counts.calls),
    retries: meters.reduce((sum, { counts }) => sum + counts.retries, 0),
    backupsSeconds,
  };
}

const request = JSON.parse(await text(process.stdin)) as PushRequest;
process.stdout.write(JSON.stringify(await push(request)));

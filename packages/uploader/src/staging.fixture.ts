import { open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  type Destination,
  type Manifest,
  manifestName,
  type RunEvent,
  type SegmentEntry,
  type Stage,
  type StagedRun,
  SystemClock,
  segmentName,
  type UploadEvent,
} from '@holdfast/core';
import { seededBytes, sha256Of, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { StagingArea, type StagingOptions } from './staging-area.ts';

export const { signal } = new AbortController();
export const chain = '20261120T140000Z-node-a-g1';
export const prefix = `shop/${chain}/`;
export const fullManifest = `${prefix}${manifestName(0, 'full')}`;
/** What a backup of three segments is at a destination. */
export const whole = [1, 2, 3]
  .map((n) => `${prefix}0000-full-00${n}.ndjson.zst`)
  .concat(fullManifest)
  .sort();

export function runOf(changes: Partial<StagedRun> = {}): StagedRun {
  return { task: 'shop', chain, sequence: 0, scope: 'full', label: 'shop_1', startedAtMs: 1, ...changes };
}

/** A staging area in a folder of its own, and what its observer was told. */
export interface AreaUnderTest extends AsyncDisposable {
  readonly area: StagingArea;
  readonly folder: TemporaryFolder;
  readonly events: RunEvent[];
  /** `segment-stored`, … in order, without details. */
  steps(): string[];
  notices(): string[];
}

export async function openArea(
  options: Partial<StagingOptions> & { clock?: Clock } = {},
): Promise<AreaUnderTest> {
  const folder = await temporaryFolder('staging');
  const events: RunEvent[] = [];
  const area = new StagingArea({
    directory: folder.path,
    clock: new SystemClock(),
    observer: (event) => events.push(event),
    ...options,
  });
  return {
    area,
    folder,
    events,
    steps: () => events.flatMap((event) => (event.kind === 'step' ? [event.step] : [])),
    notices: () => events.flatMap((event) => (event.kind === 'notice' ? [event.text] : [])),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** A closed and synced segment in a stage's folder. */
export async function writeSegment(stage: Stage, number: number, bytes = 300_000): Promise<SegmentEntry> {
  const content = seededBytes(bytes, number);
  const name = segmentName(0, 'full', number);
  const handle = await open(join(stage.directory, name), 'wx');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { name, bytes, sha256: sha256Of(content) };
}

/** What staging reads of a manifest, and something to tell two apart. */
export function manifestOf(segments: readonly SegmentEntry[], holdfast = '0.1.0'): Uint8Array {
  const manifest: Pick<Manifest, 'holdfast' | 'segments'> = { holdfast, segments };
  return Buffer.from(JSON.stringify(manifest));
}

/** Writes and pushes so many segments, and seals. */
export async function fill(stage: Stage, count: number): Promise<SegmentEntry[]> {
  const segments: SegmentEntry[] = [];
  for (let number = 1; number <= count; number += 1) {
    const segment = await writeSegment(stage, number);
    stage.push(segment);
    segments.push(segment);
  }
  return segments;
}

export async function fillAndSeal(stage: Stage, count = 3): Promise<SegmentEntry[]> {
  const segments = await fill(stage, count);
  await stage.seal(manifestName(0, 'full'), manifestOf(segments), { signal });
  return segments;
}

/** A push may fail before all is written, or after: the stage says so at its next call. */
export async function fillSealAndCommit(stage: Stage): Promise<void> {
  await fillAndSeal(stage);
  await stage.commit({ signal });
}

/** What the next run of the task does first. */
export async function finishOnly(under: AreaUnderTest, places: readonly Destination[]): Promise<void> {
  const [found] = await under.area.recover('shop', places, { signal });
  if (found?.kind !== 'sealed') throw new Error('it should be sealed');
  await using stage = found.stage;
  await stage.commit({ signal });
}

export function uploads({ events }: AreaUnderTest): UploadEvent[] {
  return events.filter((event) => event.kind === 'upload');
}

/** Makes one whole backup. */
export async function backUp(area: StagingArea, destinations: readonly Destination[]): Promise<void> {
  await using stage = await area.openRun(runOf(), destinations, { signal });
  await fillSealAndCommit(stage);
}

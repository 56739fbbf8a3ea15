import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf, openSegments, type SegmentData } from '../data-segments.ts';
import { emptyFolder } from '../harness/folders.ts';
import { MemoryDisk } from '../harness/memory-disk.ts';
import { type PushResult, pushedChain, pushedTask, pushInChild } from '../harness/push.ts';
import { Rclone } from '../harness/rclone.ts';
import { Figures, type Goal, type SuiteReport } from '../harness/report.ts';
import { type Measurement, measure, type Notes, type Round, type Subject } from '../harness/rounds.ts';
import { serversCpuSeconds } from '../harness/server-cpu.ts';
import type { RunSuite, SuiteOptions } from '../harness/suite.ts';
import type { Workspace } from '../harness/workspace.ts';
import { type BenchPlace, openPlace, type PlaceName, placeNames } from './destination-places.ts';

const peakMaxMB = 200;
/** Segments that are pushed over a line with a delay. */
const delayedSegments = 4;
const roundTripMs = 50;
/** A manifest beside the segments. */
const manifestBytesMax = 65_536;

interface Way {
  readonly place: PlaceName;
  readonly roundTripMs: number;
  /** Of rclone's throughput, at least. */
  readonly goal: number | undefined;
}

const ways: readonly Way[] = [
  { place: 's3', roundTripMs: 0, goal: 1 },
  { place: 'sftp', roundTripMs: 0, goal: 1 },
  { place: 'ftps', roundTripMs: 0, goal: 1 },
  { place: 'ftp', roundTripMs: 0, goal: 0.7 },
  { place: 'azure', roundTripMs: 0, goal: undefined },
  { place: 's3', roundTripMs, goal: 1 },
  { place: 'sftp', roundTripMs, goal: 1 },
];

/** How fast what is in staging comes to each kind of destination, beside rclone. */
export const destinations: RunSuite = async (options) => {
  const { places = placeNames } = options;
  const data = await openSegments(options.workspace, options);
  using disk = await MemoryDisk.open(2 * data.bytes);
  const reports: SuiteReport[] = [];
  for (const way of ways.filter(({ place }) => places.includes(place))) {
    const sent = way.roundTripMs === 0 ? data : await partOf(data, options.workspace, delayedSegments);
    reports.push(await alongOne(way, sent, { ...options, disk }));
  }
  return reports;
};

/** The first segments, in a folder of their own. */
export async function partOf(data: SegmentData, workspace: Workspace, count: number): Promise<SegmentData> {
  const folder = await emptyFolder(workspace.path(`segments-${count}`));
  const segments = data.segments.slice(0, count);
  for (const { name } of segments) await link(join(data.folder, name), join(folder, name));
  return { folder, segments, bytes: bytesOf(segments) };
}

/** One place at a time: each `fresh` ends the server before, with all that it holds. */
export class Places implements AsyncDisposable {
  #stack = new AsyncDisposableStack();
  #cpuBefore = 0;

  async fresh<T>(open: (stack: AsyncDisposableStack) => Promise<T>): Promise<T> {
    await this[Symbol.asyncDispose]();
    return await open(this.#stack);
  }

  /** Call it right before what is measured. */
  begin(): void {
    this.#cpuBefore = serversCpuSeconds();
  }

  get serversCpu(): number {
    return serversCpuSeconds() - this.#cpuBefore;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stack = this.#stack;
    this.#stack = new AsyncDisposableStack();
    await stack.disposeAsync();
  }
}

async function alongOne(
  way: Way,
  data: SegmentData,
  options: SuiteOptions & { readonly disk: MemoryDisk },
): Promise<SuiteReport> {
  const { workspace, rounds, log, disk } = options;
  await using places = new Places();
  let place: BenchPlace | undefined;
  const current = (): BenchPlace => {
    if (!place) throw new Error('no server runs');
    return place;
  };
  const before = async (): Promise<void> => {
    const { roundTripMs: delay } = way;
    place = await places.fresh((stack) =>
      openPlace[way.place]({ stack, bytes: data.bytes, roundTripMs: delay }),
    );
  };
  const figures = (): Notes => ({ 'server CPU s': places.serversCpu });
  const subjects = [ours(way, { data, workspace, before, current, figures })];
  for (const [name, flags] of rclones(way)) {
    subjects.push({
      name,
      before,
      run: async () => (await Rclone.at(current(), workspace)).copy(data.folder, flags),
      after: async () => {
        const notes = figures();
        const { segments, bytes } = data;
        await (await Rclone.at(current(), workspace)).expect({ files: segments.length, bytes });
        return notes;
      },
    });
  }
  const settle = async (): Promise<void> => {
    await workspace.settle();
    places.begin();
  };
  const measurements = (await measure(subjects, { rounds, log, settle })).map((one) =>
    withRate(one, data.bytes),
  );
  return {
    suite: `destinations, ${nameOf(way)}`,
    on: `${data.segments.length} segments, ${(data.bytes / 2 ** 20).toFixed(0)} MiB; ${disk.description}`,
    measurements,
    goals: goalsOf(way, measurements),
  };
}

function nameOf({ place, roundTripMs: delay }: Way): string {
  return delay === 0 ? place : `${place}, ${delay} ms round trip`;
}

/** What rclone does by default, and where that is not one way for all sizes, the other way as well. */
function rclones({ place }: Way): readonly (readonly [string, readonly string[]])[] {
  const parts = ['--s3-upload-cutoff', '16M', '--s3-chunk-size', '16M', '--s3-upload-concurrency', '4'];
  return [['rclone', []], ...(place === 's3' ? [['rclone, parts of 16 MiB', parts] as const] : [])];
}

interface Run {
  readonly data: SegmentData;
  readonly workspace: Workspace;
  readonly before: () => Promise<void>;
  readonly current: () => BenchPlace;
  readonly figures: () => Notes;
}

function ours(way: Way, { data, workspace, before, current, figures }: Run): Subject {
  return {
    name: 'holdfast',
    before: async () => {
      await emptyFolder(workspace.path('staging'));
      await before();
    },
    run: () => pushInChild({ staging: workspace.path('staging'), urls: [current().url], backups: data }),
    after: async (result, round: Round) => {
      const notes = figures();
      const { peakBytes, stagedBytesRead, backupsSeconds, retries } = result as PushResult;
      const { segments, bytes } = data;
      const rclone = await Rclone.at(current(), workspace);
      // What tells one repository from another stands below the prefix too, and the manifest.
      const files = segments.length + 2;
      await rclone.expect({ files, bytes, bytesMax: bytes + manifestBytesMax });
      if (round.number === 0 && way.roundTripMs === 0)
        await rclone.compare(data.folder, `${pushedTask}/${pushedChain}`);
      if (retries > 0)
        throw new Error(`${retries} attempts failed and were made again: this measures nothing`);
      return {
        ...notes,
        'push s': backupsSeconds,
        'peak MB': peakBytes / 1e6,
        'times read': stagedBytesRead / bytes,
      };
    },
  };
}

export function withRate(one: Measurement, bytes: number): Measurement {
  return { ...one, notes: { ...one.notes, 'MB/s': one.seconds.map((seconds) => bytes / 1e6 / seconds) } };
}

function goalsOf(way: Way, measurements: readonly Measurement[]): Goal[] {
  const figures = new Figures(measurements);
  const rclone = Math.min(...rclones(way).map(([name]) => figures.seconds(name)));
  const name = nameOf(way);
  return [
    ...(way.goal === undefined
      ? []
      : [
          {
            what: `${name}: throughput / rclone's best`,
            value: rclone / figures.seconds('holdfast'),
            limit: way.goal,
            atLeast: true,
            unit: 'x',
          } as const,
        ]),
    { what: `${name}: peak`, value: figures.worst('holdfast', 'peak MB'), limit: peakMaxMB, unit: 'MB' },
  ];
}

import { pathToFileURL } from 'node:url';
import { openSegments, type SegmentData } from '../data-segments.ts';
import { emptyFolder } from '../harness/folders.ts';
import { MemoryDisk } from '../harness/memory-disk.ts';
import { type PushResult, pushInChild } from '../harness/push.ts';
import { Figures, type SuiteReport } from '../harness/report.ts';
import { measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite, SuiteOptions } from '../harness/suite.ts';
import { openPlace } from './destination-places.ts';
import { Places, partOf, withRate } from './destinations.ts';

const segmentCount = 8;
const togetherMax = 1.15;
/** How long a line takes that is as slow as the lines of a test are: longer than the processors need for all. */
const lineSeconds = { small: 4, full: 32 } as const;

const alone = ['s3', 'sftp', 'ftps', 'folder'] as const;
type Name = (typeof alone)[number];

/** One backup to four destinations at once, beside each of them alone. */
export const destinationsTogether: RunSuite = async (options) => {
  const all = await openSegments(options.workspace, options);
  const data = await partOf(all, options.workspace, segmentCount);
  using disk = await MemoryDisk.open(alone.length * data.bytes);
  const rate = Math.ceil(data.bytes / lineSeconds[options.scale]);
  return [
    await fan(data, { ...options, disk, line: 'as fast as they take it' }),
    await fan(data, { ...options, disk, line: `${(rate / 1e6).toFixed(0)} MB/s to each`, rate }),
  ];
};

interface FanOptions extends SuiteOptions {
  readonly disk: MemoryDisk;
  readonly line: string;
  readonly rate?: number;
}

async function fan(data: SegmentData, options: FanOptions): Promise<SuiteReport> {
  const { workspace, rounds, log, disk, line, rate } = options;
  await using places = new Places();
  const staging = workspace.path('staging');
  const subject = (name: string, wanted: readonly Name[]): Subject => {
    let urls: readonly string[] = [];
    return {
      name,
      before: async () => {
        await emptyFolder(staging);
        urls = await places.fresh((stack) => openAll(wanted, { stack, data, workspace, disk }));
      },
      run: () => pushInChild({ staging, urls, backups: data, ...(rate !== undefined && { rate }) }),
      after: async (result) => {
        const { peakBytes, stagedBytesRead } = result as PushResult;
        return {
          'server CPU s': places.serversCpu,
          'peak MB': peakBytes / 1e6,
          'times read': stagedBytesRead / data.bytes,
        };
      },
    };
  };
  const subjects = [...alone.map((name) => subject(`${name} alone`, [name])), subject('all at once', alone)];
  const settle = async (): Promise<void> => {
    await workspace.settle();
    places.begin();
  };
  const measured = await measure(subjects, { rounds, log, settle });
  const figures = new Figures(measured);
  const slowest = Math.max(...alone.map((name) => figures.seconds(`${name} alone`)));
  const together = figures.seconds('all at once');
  return {
    suite: 'destinations-together',
    on: `${data.segments.length} segments, ${(data.bytes / 2 ** 20).toFixed(0)} MiB, ${line}; ${disk.description}`,
    measurements: measured.map((one) => withRate(one, data.bytes)),
    goals: [
      {
        what: `all at once / the slowest alone, ${line}`,
        value: together / slowest,
        limit: togetherMax,
        unit: 'x',
      },
    ],
  };
}

interface OpenAll {
  readonly stack: AsyncDisposableStack;
  readonly data: SegmentData;
  readonly workspace: SuiteOptions['workspace'];
  readonly disk: MemoryDisk;
}

async function openAll(wanted: readonly Name[], o: OpenAll): Promise<readonly string[]> {
  const urls: string[] = [];
  for (const name of wanted) {
    if (name === 'folder') {
      const path = o.disk.folder ? `${o.disk.folder}/folder` : o.workspace.path('folder');
      urls.push(pathToFileURL(await emptyFolder(path)).href.replace('file://', 'file:'));
    } else {
      urls.push((await openPlace[name]({ stack: o.stack, bytes: o.data.bytes })).url);
    }
  }
  return urls;
}

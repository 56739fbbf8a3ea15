import { chmod, copyFile } from 'node:fs/promises';
import { openPostgres } from '../data-postgres.ts';
import { emptyFolder } from '../harness/folders.ts';
import { holdfast } from '../harness/holdfast.ts';
import { type MemoryPeak, MemoryWatch } from '../harness/memory.ts';
import { Figures, type Goal } from '../harness/report.ts';
import { type Measurement, measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import { changeOnePercent } from './postgres-changes.ts';

const verbs = ['full', 'incremental', 'restore', 'check'] as const;
type Verb = (typeof verbs)[number];

const note = 'peak MB';
const peakMaxMB = 350;
/** What "the same with four times the data" may differ by: a garbage collector has moods. */
const growthMax = 1.15;

/** The memory of all of Holdfast's processes together, at two sizes of the data. */
export const memory: RunSuite = async (options) => {
  // A copy of its own: a page of the executable that other processes use as well would count for less than it is.
  const node = options.workspace.path('node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  const single = await atSize({ ...options, times: 1, node });
  const large = await atSize({ ...options, times: 4, node });
  const measurements = [...single.measurements, ...large.measurements];
  const figures = new Figures(measurements);
  const goals = verbs.flatMap((verb): Goal[] => {
    const [once, fourfold] = [figures.worst(nameOf(verb, 1), note), figures.worst(nameOf(verb, 4), note)];
    return [
      { what: `peak, ${nameOf(verb, 1)}`, value: once, limit: peakMaxMB, unit: 'MB' },
      { what: `peak, ${nameOf(verb, 4)}`, value: fourfold, limit: peakMaxMB, unit: 'MB' },
      { what: `peak, ${verb}, 4x data / 1x data`, value: fourfold / once, limit: growthMax, unit: 'x' },
    ];
  });
  const remarks = [...single.remarks, ...large.remarks];
  return [{ suite: 'memory', on: `${single.on}; and four times as much`, measurements, goals, remarks }];
};

function nameOf(verb: Verb, times: number): string {
  return `${verb}, ${times}x data`;
}

type SizeOptions = Parameters<RunSuite>[0] & { readonly times: number; readonly node: string };

async function atSize(
  options: SizeOptions,
): Promise<{ on: string; measurements: Measurement[]; remarks: string[] }> {
  const { workspace, scale, log, times, node } = options;
  await using server = await openPostgres(workspace, { kind: 'mixed', scale, times, log });
  const folder = workspace.path('at-memory');
  const peaks = new Map<Verb, MemoryPeak>();
  const watched = async (args: readonly string[]): Promise<MemoryPeak> => {
    const watch = new MemoryWatch();
    try {
      await holdfast(workspace, args, { node, started: (pid) => watch.start(pid) });
    } finally {
      watch.stop();
    }
    return await watch.peak();
  };
  const subject = (verb: Verb, args: readonly string[], before: () => Promise<void>): Subject => ({
    name: nameOf(verb, times),
    before,
    run: () => watched(args),
    after: async (result) => {
      const peak = result as MemoryPeak;
      if (peak.bytes > (peaks.get(verb)?.bytes ?? 0)) peaks.set(verb, peak);
      return { [note]: peak.bytes / 1e6 };
    },
  });
  let turn = 0;
  const backup = ['backup', '--from', server.url('changing'), '--to', `file:${folder}`];
  const subjects = [
    subject('full', [...backup, '--full', '--keep-changes'], async () => {
      await emptyFolder(folder);
      // It remembers the folder's backups, and would take an empty one for a mount that is gone.
      await emptyFolder(workspace.path('staging'));
      await server.copy('changing');
    }),
    subject('incremental', [...backup, '--incremental'], async () => {
      await changeOnePercent(server, 'changing', { pattern: 'scattered', turn: turn++ });
    }),
    subject('restore', ['restore', '--at', `file:${folder}`, '--to', server.url('restored')], () =>
      server.drop('restored'),
    ),
    subject('check', ['check', '--at', `file:${folder}`], async () => undefined),
  ];
  const measurements = await measure(subjects, { ...server.rounds(options), warmUp: false });
  await server.clean();
  const remarks = [...peaks].map(([verb, peak]) => `at the peak of ${nameOf(verb, times)}: ${parts(peak)}`);
  return { on: server.description, measurements, remarks };
}

function parts({ processes }: MemoryPeak): string {
  return processes
    .filter(({ bytes }) => bytes > 1e6)
    .map(({ command, bytes }) => `${command} ${(bytes / 1e6).toFixed(0)} MB`)
    .join(', ');
}

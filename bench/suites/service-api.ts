import { setTimeout as sleep } from 'node:timers/promises';
import type { RunView } from '@holdfast/client';
import { openPostgres } from '../data-postgres.ts';
import { openSqlite } from '../data-sqlite.ts';
import { BenchNode } from '../harness/bench-node.ts';
import { rowsStored } from '../harness/holdfast.ts';
import { Probe, type Probed, type Sample } from '../harness/probe.ts';
import { Figures, type Goal, type SuiteReport } from '../harness/report.ts';
import type { Measurement } from '../harness/rounds.ts';
import type { SuiteOptions } from '../harness/suite.ts';

const everyMs = 10;
const p99MaxMs = 50;
/** A beat may come so much of the time to live after its third. */
const latenessMaxPercent = 10;

/** Full backups follow one another until they have lasted for so long. */
const loadSeconds = { small: 8, full: 60 } as const;
const idleSeconds = { small: 5, full: 20 } as const;
const runsMax = 60;

const { signal } = new AbortController();

interface Source {
  readonly name: string;
  /** As the objects' file has it. */
  readonly declared: string;
  readonly rows: number;
  readonly description: string;
}

/** How a node answers, and keeps its lease, while full backups saturate the machine. */
export async function apiUnderLoad(options: SuiteOptions): Promise<SuiteReport[]> {
  const { workspace, scale, log } = options;
  const data = await openSqlite(workspace, { scale, log });
  const reports = [
    await onSource(options, {
      name: 'sqlite',
      declared: `{ type: sqlite, path: ${data.file} }`,
      rows: data.rows,
      description: `an SQLite file of ${(data.bytes / 1e9).toFixed(2)} GB`,
    }),
  ];
  if (scale === 'small') return reports;
  await using server = await openPostgres(workspace, { kind: 'mixed', scale, log });
  const declared = `{ type: postgres, url: "${server.url(server.database)}" }`;
  reports.push(
    await onSource(options, {
      name: 'postgres',
      declared,
      rows: server.rows,
      description: server.description,
    }),
  );
  return reports;
}

async function onSource({ workspace, scale, log }: SuiteOptions, source: Source): Promise<SuiteReport> {
  const backups = workspace.path(`at-api-${source.name}`);
  await using node = await BenchNode.start({ workspace, folder: workspace.path(`node-api-${source.name}`) });
  await node.apply(`
sources: { big: ${source.declared} }
destinations: { near: { type: folder, path: ${backups} } }
tasks: { big: { source: big, full: "0 0 29 2 *", destinations: [near] } }
`);
  await sleep(1_000);
  log(`the API of a node at rest, for ${idleSeconds[scale]} s`);
  const idle = await probed(node, () => sleep(idleSeconds[scale] * 1000));
  log(`the API during full backups of ${source.name}, for ${loadSeconds[scale]} s`);
  const runs: RunView[] = [];
  const busy = await probed(node, async () => {
    for (let total = 0; total < loadSeconds[scale] && runs.length < runsMax; ) {
      const run = await fullRun(node);
      runs.push(run);
      total += (endOf(run) - startOf(run)) / 1000;
    }
  });
  const during = ({ atMs }: Sample): boolean =>
    runs.some((run) => startOf(run) <= atMs && atMs <= endOf(run));
  const measurements = [
    ...latencies('at rest', idle, () => true),
    ...latencies('during a full', busy, during),
    { name: 'full backups', seconds: runs.map((run) => (endOf(run) - startOf(run)) / 1000), notes: {} },
  ];
  const stored = await rowsStored(backups);
  return {
    suite: 'service, API under load',
    on: `${source.description}; GET /v1/status every ${everyMs} ms, and a trivial server in turn with it`,
    measurements,
    goals: goals(measurements, busy),
    remarks: [
      besideTrivial(measurements, 'at rest'),
      besideTrivial(measurements, 'during a full'),
      describeBeats('at rest', idle),
      describeBeats('during fulls', busy),
    ],
    wrong: [
      ...runs.filter(({ state }) => state !== 'succeeded').map(({ id, state }) => `run ${id} ${state}`),
      ...(stored === source.rows ? [] : [`the backup holds ${stored} rows instead of ${source.rows}`]),
      ...[...new Set([...idle.errors, ...busy.errors])].slice(0, 10),
      ...(busy.sessions > 1 ? ['the node lost its session'] : []),
    ],
  };
}

async function fullRun({ client }: BenchNode): Promise<RunView> {
  const { run } = await client.runTask({ task: 'big', scope: 'full', signal });
  for (let tries = 0; tries < 60; tries++) {
    const view = await client.getRun({ run: run.id, wait: '20s', signal });
    if (view.endedAt !== undefined) return view;
  }
  throw new Error(`run ${run.id} does not end`);
}

function startOf({ startedAt = '' }: RunView): number {
  return Date.parse(startedAt);
}

function endOf({ endedAt = '' }: RunView): number {
  return Date.parse(endedAt);
}

interface Watched extends Probed {
  /** The node's own measure of its longest delay. */
  readonly loopMaxMs: number;
  readonly sessions: number;
}

async function probed(node: BenchNode, work: () => Promise<void>): Promise<Watched> {
  await using probe = await Probe.start({ node: `${node.url}/v1/status`, store: node.store, everyMs });
  // Its own start is a load, too.
  await sleep(1_000);
  const metric = 'holdfast_event_loop_delay_seconds';
  // Reading it begins anew.
  await node.metric(metric);
  await work();
  const [loopMax = Number.NaN] = await node.metric(metric);
  const seen = await probe.stop();
  const sessions = new Set(seen.beats.map(({ session }) => session)).size;
  return { ...seen, loopMaxMs: loopMax * 1000, sessions };
}

function latencies(when: string, probe: Watched, counts: (sample: Sample) => boolean): Measurement[] {
  const of = (which: Sample['of']): number[] =>
    probe.samples
      .filter((sample) => sample.of === which && counts(sample))
      .map(({ ms }) => ms)
      .sort((a, b) => a - b);
  const row = (name: string, sorted: readonly number[], notes: Measurement['notes'] = {}): Measurement => ({
    name: `${name}, ${when}`,
    seconds: [],
    notes: {
      'p50 ms': [quantile(sorted, 0.5)],
      'p99 ms': [quantile(sorted, 0.99)],
      'max ms': [quantile(sorted, 1)],
      samples: [sorted.length],
      ...notes,
    },
  });
  const late = [...probe.lateMs].sort((a, b) => a - b);
  return [
    row('GET /v1/status', of('node'), { 'event loop ms': [probe.loopMaxMs] }),
    row('a trivial server', of('trivial')),
    row('the asker itself, late by', late),
  ];
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function goals(measurements: readonly Measurement[], busy: Watched): Goal[] {
  const figures = new Figures(measurements);
  const asked = 'GET /v1/status, during a full';
  const p99 = figures.note(asked, 'p99 ms');
  const { latestPercent } = beatsOf(busy);
  return [
    { what: `${asked}, p99`, value: p99, limit: p99MaxMs, unit: 'ms' },
    {
      what: 'signs of life after a third of their time to live',
      value: latestPercent,
      limit: latenessMaxPercent,
      unit: '%',
    },
  ];
}

/** What is left of the machine's own slowness. */
function besideTrivial(measurements: readonly Measurement[], when: string): string {
  const figures = new Figures(measurements);
  const times = (note: string): string => {
    const ratio =
      figures.note(`GET /v1/status, ${when}`, note) / figures.note(`a trivial server, ${when}`, note);
    return `${ratio.toFixed(1)} times its ${note.replace(' ms', '')}`;
  };
  return `GET /v1/status, ${when}, beside the trivial server: ${times('p50 ms')}, ${times('p99 ms')}`;
}

interface Beats {
  readonly count: number;
  readonly ttlMs: number;
  /** NaN when too few were seen. */
  readonly gapMaxMs: number;
  /** How much later than a third of the time to live, as a share of it. */
  readonly latestPercent: number;
}

function beatsOf({ beats, endedAtMs }: Probed): Beats {
  const ttlMs = beats[0]?.ttlMs ?? Number.NaN;
  const gaps = beats.slice(1).map(({ atMs }, n) => atMs - (beats[n]?.atMs ?? atMs));
  const last = beats.at(-1);
  // The one that had not come when the looking ended counts as far as it goes.
  if (last !== undefined) gaps.push(endedAtMs - last.atMs);
  const gapMaxMs = beats.length < 2 ? Number.NaN : Math.max(...gaps);
  return { count: beats.length, ttlMs, gapMaxMs, latestPercent: ((gapMaxMs - ttlMs / 3) / ttlMs) * 100 };
}

function describeBeats(when: string, probe: Watched): string {
  const { count, ttlMs, gapMaxMs } = beatsOf(probe);
  const share = ((gapMaxMs / ttlMs) * 100).toFixed(1);
  return `signs of life ${when}: ${count} seen, at most ${gapMaxMs} ms apart, ${share} % of ${ttlMs} ms (33.3 % is on time)`;
}

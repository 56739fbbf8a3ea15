import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunView } from '@holdfast/client';
import { BenchNode, until } from '../harness/bench-node.ts';
import { processCpu } from '../harness/process-cpu.ts';
import type { SuiteReport } from '../harness/report.ts';
import { type Measurement, median } from '../harness/rounds.ts';
import type { SuiteOptions } from '../harness/suite.ts';
import { changeAll, cronOfSecond, makeTinyTasks, type TinyTasks, tinyRows } from './service-objects.ts';

const sizes = { small: 20, full: 100 } as const;
const runsAtOnce = 4;

/** From the declaration to the moment: every task has its record by then, or the figures are of something else. */
const aheadMs = { small: 4_000, full: 10_000 } as const;
const allEndedMsMax = 600_000;
/** After the last end: what comes twice comes late. */
const lingerMs = 3_000;
/** When all are wrong, some say it. */
const wrongMax = 10;

const { signal } = new AbortController();

type Scope = 'full' | 'incremental';

/** Many tasks that are due in the same second, when only some may run at once. */
export async function manyDue(options: SuiteOptions): Promise<SuiteReport[]> {
  const { workspace, scale, log } = options;
  const count = sizes[scale];
  const tiny = await makeTinyTasks(workspace, { name: 'due', count });
  const config = `limits: { runs: ${runsAtOnce} }`;
  await using node = await BenchNode.start({ workspace, folder: workspace.path('node-due'), config });
  const reports: SuiteReport[] = [];
  for (const scope of ['full', 'incremental'] as const) {
    if (scope === 'incremental') changeAll(tiny);
    await workspace.settle();
    log(`${count} tasks due in one second, ${scope}`);
    const burst = await makeDue(node, tiny, { scope, aheadMs: aheadMs[scale] });
    const starts = await beginnings(node, burst.runs);
    reports.push({
      suite: `service, due at once, ${scope}`,
      on: `${count} tasks due in one second, at most ${runsAtOnce} runs at once`,
      measurements: figures(burst, starts),
      goals: [],
      remarks: remarks(burst, starts),
      wrong: await findWrong(tiny, scope, burst),
    });
  }
  return reports;
}

interface Burst {
  readonly dueMs: number;
  /** Of this occurrence, and of no other. */
  readonly runs: readonly RunView[];
  /** That began in the meantime and should not have. */
  readonly others: readonly RunView[];
  readonly nodeCpuSeconds: number;
  readonly runsCpuSeconds: number;
}

async function makeDue(
  node: BenchNode,
  tiny: TinyTasks,
  o: { readonly scope: Scope; readonly aheadMs: number },
): Promise<Burst> {
  const { client, pid } = node;
  const before = new Set((await client.listRuns({ limit: 500, signal })).runs.map(({ id }) => id));
  const dueMs = (Math.ceil(Date.now() / 1000) + o.aheadMs / 1000) * 1000;
  const never = cronOfSecond(dueMs - 86_400_000);
  const due = cronOfSecond(dueMs);
  const [full, incremental] = o.scope === 'full' ? [due, never] : [never, due];
  await node.apply(tiny.declare(() => `full: "${full}", incremental: "${incremental}"`));
  const dueText = new Date(dueMs).toISOString();
  await until('every task knows when it is due', o.aheadMs, async () => {
    const tasks = await client.listTasks({ signal });
    return tasks.length === tiny.names.length && tasks.every(({ next }) => next?.at === dueText);
  });
  await sleep(Math.max(0, dueMs - 300 - Date.now()));
  if (Date.now() >= dueMs) throw new Error('the moment has passed before it could be looked at');
  const cpuBefore = processCpu(pid);
  await sleep(dueMs + 1_500 - Date.now());
  const isQuiet = async (): Promise<boolean> => (await client.getStatus({ signal })).active.length === 0;
  await until('all runs have ended', allEndedMsMax, isQuiet, 500);
  const cpu = processCpu(pid);
  await sleep(lingerMs);
  const { runs } = await client.listRuns({ limit: 500, signal });
  const begun = runs.filter(({ id }) => !before.has(id));
  return {
    dueMs,
    runs: begun.filter(({ occurrence }) => occurrence === dueText),
    others: begun.filter(({ occurrence }) => occurrence !== dueText),
    nodeCpuSeconds: cpu.ownSeconds - cpuBefore.ownSeconds,
    runsCpuSeconds: cpu.childrenSeconds - cpuBefore.childrenSeconds,
  };
}

/** Of each run, the seconds from its start until its process had looked at the source: the first that it says. */
async function beginnings({ client }: BenchNode, runs: readonly RunView[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { id: run } of runs) {
    const at: number[] = [];
    for await (const line of client.getRunLog({ run, signal })) at.push(Date.parse(line.at));
    const [start, first] = at;
    if (start !== undefined && first !== undefined) found.set(run, (first - start) / 1000);
  }
  return found;
}

function figures(burst: Burst, starts: ReadonlyMap<string, number>): Measurement[] {
  const { runs, dueMs, nodeCpuSeconds, runsCpuSeconds } = burst;
  const row = (name: string, seconds: readonly number[], notes: Measurement['notes'] = {}): Measurement => ({
    name,
    seconds,
    notes,
  });
  const since = (text: string | undefined): number => (Date.parse(text ?? '') - dueMs) / 1000;
  const ended = runs.map(({ endedAt }) => since(endedAt));
  return [
    row(
      'from due to taken by the scheduler',
      runs.map(({ createdAt }) => since(createdAt)),
    ),
    row(
      'from due to started',
      runs.map(({ startedAt }) => since(startedAt)),
    ),
    row('from started to ended', runs.map(seconds)),
    row('of that, until the process had looked at the source', [...starts.values()]),
    row('from due to all ended', [Math.max(...ended)], {
      "node's CPU s": [nodeCpuSeconds],
      "runs' CPU s": [runsCpuSeconds],
    }),
  ];
}

function seconds({ startedAt = '', endedAt = '' }: RunView): number {
  return (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
}

function remarks(
  { runs, nodeCpuSeconds, runsCpuSeconds }: Burst,
  starts: ReadonlyMap<string, number>,
): string[] {
  const share = median(runs.map((run) => (starts.get(run.id) ?? Number.NaN) / seconds(run)));
  const each = (all: number): string => `${((all / runs.length) * 1000).toFixed(0)} ms`;
  return [
    `${(share * 100).toFixed(0)} % of a run is the start of its process, until it has looked at the source`,
    `CPU for each run: ${each(runsCpuSeconds)} in its own process, ${each(nodeCpuSeconds)} in the node's`,
  ];
}

async function findWrong(tiny: TinyTasks, scope: Scope, { runs, others }: Burst): Promise<string[]> {
  const wrong = others.map(({ id, reason }) => `run ${id} was not due: ${reason}`);
  for (const task of tiny.names) {
    const ofTask = runs.filter((run) => run.task === task);
    if (ofTask.length !== 1) wrong.push(`${task} has ${ofTask.length} runs for one occurrence`);
  }
  for (const run of runs) {
    const what = `${run.state}, ${run.scopeMade}, ${run.rows} rows, ${run.changes} changes`;
    const expected =
      scope === 'full'
        ? `succeeded, full, ${tinyRows} rows, 0 changes`
        : `succeeded, incremental, 0 rows, 1 changes`;
    if (what !== expected)
      wrong.push(`run ${run.id} is ${what} instead of ${expected}: ${run.error?.message ?? run.reason}`);
  }
  const files = await readdir(tiny.destinations, { recursive: true });
  const manifests = files.filter((name) => name.endsWith('.manifest.json')).length;
  const expected = tiny.names.length * (scope === 'full' ? 1 : 2);
  if (manifests !== expected) wrong.push(`there are ${manifests} backups instead of ${expected}`);
  return wrong.slice(0, wrongMax);
}

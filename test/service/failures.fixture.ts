/** What must be so when a run fails, as data: told by the test's own process, or by one that sees a small disk. */
import type { LogLine, RunView, TaskDetail } from '@holdfast/client';
import { type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import type { RunningNode } from '../harness/running-node.ts';

const { signal } = new AbortController();

/** Everything that a failure may not change. */
export interface Standing {
  /** What is listed at the destination: chains, backups, their numbers. */
  readonly listed: unknown;
  readonly lastGood: TaskDetail['lastGood'];
  readonly lastGoodFull: TaskDetail['lastGoodFull'];
  readonly lastGoodByDestination: TaskDetail['lastGoodByDestination'];
  readonly freshness: TaskDetail['freshness'];
}

export interface RunReport {
  /** Of `holdfast run TASK --json`. */
  readonly outcome: Outcome;
  readonly run: RunView;
  readonly before: Standing;
  readonly after: Standing;
  /** The newest line that `holdfast history` prints for people. */
  readonly history: string;
  /** Of `holdfast logs TASK --json`. */
  readonly log: readonly LogLine[];
  readonly metrics: Readonly<Record<'failed' | 'succeeded' | 'failing', number | undefined>>;
}

/** Where a task is backed up to, and on which node. */
export interface Watched {
  readonly node: RunningNode;
  readonly task: string;
  /** The folder of its destination. */
  readonly backups: string;
}

export async function standingOf({ node, task, backups }: Watched): Promise<Standing> {
  const detail = await node.client.getTask({ task, next: 0, signal });
  const { lastGood, lastGoodFull, lastGoodByDestination, freshness } = detail;
  const { code, stdout, stderr } = await runHoldfast([
    'list',
    '--at',
    `file:${backups}`,
    '--task',
    task,
    '--json',
  ]);
  if (code !== 0) throw new Error(`holdfast list ended with ${code}: ${stderr}`);
  return { listed: JSON.parse(stdout), lastGood, lastGoodFull, lastGoodByDestination, freshness };
}

/** Runs a task as a person does, and looks at all that it says. */
export async function watchedRun(watched: Watched, options: readonly string[] = []): Promise<RunReport> {
  const { node, task } = watched;
  const before = await standingOf(watched);
  const outcome = await node.holdfast(['run', task, ...options, '--json']);
  const after = await standingOf(watched);
  const [run] = (await node.client.listRuns({ task, limit: 1, signal })).runs;
  if (!run) throw new Error(`task ${task} has no run`);
  const history = await node.holdfast(['history', task, '--limit', '1']);
  const log = await node.holdfast(['logs', task, '--json']);
  const metrics = await node.client.getMetrics({ signal });
  return {
    outcome,
    run,
    before,
    after,
    history: history.stdout,
    log: JSON.parse(log.stdout),
    metrics: {
      failed: sampleOf(metrics, 'holdfast_runs_total', { task, scope: run.scopeAsked, state: 'failed' }),
      succeeded: sampleOf(metrics, 'holdfast_runs_total', { task, state: 'succeeded' }),
      failing: sampleOf(metrics, 'holdfast_task_failing', { task }),
    },
  };
}

/** The sum of a metric's samples that have these labels; undefined when there is none. */
export function sampleOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  const found = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .map((line) => Number(line.slice(line.lastIndexOf(' '))));
  return found.length === 0 ? undefined : found.reduce((sum, value) => sum + value, 0);
}

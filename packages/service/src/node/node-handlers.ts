import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AnswerOf, RunView, TaskView } from '@holdfast/client';
import { version } from '@holdfast/core';
import type { Asked, Handlers } from '../api/index.ts';
import { clusterHandlers } from './cluster-handlers.ts';
import { destinationHandlers } from './destination-handlers.ts';
import type { NodeParts } from './node-parts.ts';
import { objectHandlers } from './object-handlers.ts';
import { problemOf } from './peers.ts';
import { PeersEvents } from './peers-events.ts';
import { ownRunView, wholeRunView } from './peers-runs.ts';
import { runHandlers } from './run-handlers.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { taskHandlers, tasksOf, viewOfTask } from './task-handlers.ts';
import { isoOf } from './views.ts';

/** Everything that the API can be asked: of this node, and of the cluster. */
export function nodeHandlers(parts: NodeParts): Handlers {
  const { config, clock, store, runner, metrics, problems, startedAtMs } = parts;
  const events = new PeersEvents(parts);
  return {
    ...taskHandlers(parts),
    ...runHandlers(parts),
    ...objectHandlers(parts),
    ...destinationHandlers(parts),
    ...clusterHandlers(parts),
    subscribe: (listener) => events.subscribe(listener),
    getReadiness: async () => {
      const reasons = [...problems()];
      return { ready: reasons.length === 0, reasons };
    },
    getMetrics: async () => {
      return metrics.render(takeSnapshot(parts, await freeBytesAt(config.staging)));
    },
    getStatus: async (asked) => {
      const own = {
        node: config.name,
        version,
        startedAt: isoOf(startedAtMs),
        now: isoOf(clock.now()),
        store: store.description,
        limits: { runs: config.limits.runs, perSource: config.limits.perSource },
      };
      const active = runner.active.map(({ run }) => ownRunView(parts, run));
      if (asked.peer === undefined) return { ...own, ...(await clusterStatus(parts, active, asked)) };
      // The node that asks judges the tasks itself.
      const tasks = { total: tasksOf(parts).length, byFreshness: {} };
      return { ...own, tasks, runs: countBy(active), active, problems: problems().slice(0, problemsMax) };
    },
  };
}

type ClusterStatus = Pick<AnswerOf<'getStatus'>, 'tasks' | 'runs' | 'active' | 'problems'>;

async function clusterStatus(
  parts: NodeParts,
  own: readonly RunView[],
  asked: Asked,
): Promise<ClusterStatus> {
  const { peers, problems } = parts;
  const { signal } = asked;
  const [looks, elsewhere] = await Promise.all([peers.look({ signal }), runsElsewhere(parts, asked)]);
  const tasks = tasksOf(parts).map(({ task, record }) => viewOfTask(parts, task, record));
  const byFreshness: Record<string, number> = {};
  for (const { freshness } of tasks) byFreshness[freshness.state] = (byFreshness[freshness.state] ?? 0) + 1;
  const active = [...own, ...elsewhere];
  const others = looks.flatMap((look) => [
    ...[problemOf(look) ?? []].flat(),
    ...(look.status?.problems ?? []).map((problem) => `node ${look.node}: ${problem}`),
  ]);
  return {
    tasks: { total: tasks.length, byFreshness },
    runs: countBy(active),
    active,
    problems: [...problems(), ...others, ...tasks.flatMap(problemsOf)].slice(0, problemsMax),
  };
}

/** Runs that other nodes carry out. */
async function runsElsewhere(parts: NodeParts, asked: Asked): Promise<RunView[]> {
  const { view, ledger, config } = parts;
  const runs = [...view.tasks.values()].flatMap(({ value: { running } }) =>
    running && running.node !== config.name ? [running.run] : [],
  );
  const views = runs.map(async (id) => {
    const run = await ledger.run(id, asked);
    // What was seen may be over.
    return run && run.endedAtMs === undefined ? [await wholeRunView(parts, run, asked)] : [];
  });
  return (await Promise.all(views)).flat().filter(({ endedAt }) => endedAt === undefined);
}

function countBy(runs: readonly RunView[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of runs) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Of the disk that a folder is on, or will be, once the first run has made it. */
async function freeBytesAt(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (caught) {
    const parent = dirname(folder);
    if ((caught as NodeJS.ErrnoException).code !== 'ENOENT' || parent === folder) return undefined;
    return freeBytesAt(parent);
  }
}

/** What a screen has room for; the tasks have them all. */
const problemsMax = 50;

const bad: readonly string[] = ['overdue', 'never-ran'];

function problemsOf({ name, freshness, warnings }: TaskView): string[] {
  const said = warnings.map((warning) => `task ${name}: ${warning}`);
  if (bad.includes(freshness.state)) said.push(`task ${name} is ${freshness.state}: ${freshness.reason}`);
  if (freshness.runningTooLong) said.push(`task ${name} is running too long`);
  return said;
}

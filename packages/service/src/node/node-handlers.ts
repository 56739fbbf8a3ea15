import { statfs } from 'node:fs/promises';
import type { TaskView } from '@holdfast/client';
import { version } from '@holdfast/core';
import type { Handlers } from '../api/index.ts';
import { destinationHandlers } from './destination-handlers.ts';
import type { NodeParts } from './node-parts.ts';
import { objectHandlers } from './object-handlers.ts';
import { runHandlers } from './run-handlers.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { taskHandlers, tasksOf, viewOfTask } from './task-handlers.ts';
import { isoOf, runView } from './views.ts';

/** Everything that the API can be asked. */
export function nodeHandlers(parts: NodeParts): Handlers {
  const { config, clock, store, runner, metrics, problems, startedAtMs } = parts;
  return {
    ...taskHandlers(parts),
    ...runHandlers(parts),
    ...objectHandlers(parts),
    ...destinationHandlers(parts),
    subscribe: (listener) => parts.feed.subscribe(listener),
    getReadiness: async () => {
      const reasons = [...problems()];
      return { ready: reasons.length === 0, reasons };
    },
    getMetrics: async () => {
      const disk = await statfs(config.staging).catch(() => undefined);
      const freeBytes = disk && disk.bavail * disk.bsize;
      return metrics.render(takeSnapshot(parts, freeBytes));
    },
    getStatus: async () => {
      const byFreshness: Record<string, number> = {};
      const tasks = tasksOf(parts).map(({ task, record }) => viewOfTask(parts, task, record));
      for (const { freshness } of tasks) {
        byFreshness[freshness.state] = (byFreshness[freshness.state] ?? 0) + 1;
      }
      const runs: Record<string, number> = {};
      for (const { run } of runner.active) runs[run.state] = (runs[run.state] ?? 0) + 1;
      return {
        node: config.name,
        version,
        startedAt: isoOf(startedAtMs),
        now: isoOf(clock.now()),
        store: store.description,
        limits: { runs: config.limits.runs, perSource: config.limits.perSource },
        tasks: { total: tasks.length, byFreshness },
        runs,
        active: runner.active.map((active) =>
          runView(active.run, { active, stuckAfterMs: config.limits.stallAfterMs }),
        ),
        problems: [...problems(), ...tasks.flatMap(problemsOf)].slice(0, problemsMax),
      };
    },
  };
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

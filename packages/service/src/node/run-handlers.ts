import type { LogLine, RunView } from '@holdfast/client';
import { isRunId, noRun, noTask, type RunRecord, timeOfRun } from '@holdfast/coordinator';
import { HoldfastError, type Sig } from '@holdfast/core';
import type { Handlers } from '../api/index.ts';
import type { NodeParts } from './node-parts.ts';
import { isoOf, runView } from './views.ts';

type RunHandlers = Pick<Handlers, 'listRuns' | 'getRun' | 'cancelRun' | 'listRunTables' | 'getRunLog'>;

export function runHandlers(parts: NodeParts): RunHandlers {
  const { runner, logs, config, view } = parts;
  const viewOf = (run: RunRecord): RunView => {
    const active = runner.find(run.id);
    return runView(active?.run ?? run, { active, stuckAfterMs: config.limits.stallAfterMs });
  };
  return {
    listRuns: async ({ task, state, limit, before, signal }) => {
      const isDeclared = (name: string): boolean => Object.hasOwn(view.objects.value.tasks, name);
      if (task !== undefined && !view.task(task) && !isDeclared(task)) throw noTask(task);
      const tasks = task === undefined ? [...view.tasks.keys()] : [task];
      const isWhole = state === undefined && before === undefined;
      // A filter may pass over many: then the whole history is looked through.
      const last = isWhole ? limit + 1 : config.limits.historyPerTask + historySlack;
      let found: RunRecord[] = [];
      for (const name of tasks) {
        const runs = await historyOf(parts, name, { signal, last });
        const wanted = runs.filter(
          ({ id, state: is }) =>
            (state ?? is) === is && (before === undefined || newestFirst(before, id) < 0),
        );
        found = [...found, ...wanted].sort((a, b) => newestFirst(a.id, b.id)).slice(0, limit + 1);
      }
      return { runs: found.slice(0, limit).map(viewOf), more: found.length > limit };
    },

    getRun: async ({ run, signal }) => viewOf(await recordOf(parts, run, { signal })),

    cancelRun: async ({ run, signal }) => {
      const record = await recordOf(parts, run, { signal });
      const reason = new HoldfastError('cancelled', 'stopped on request');
      if (!(await runner.end(run, reason)) && record.endedAtMs === undefined)
        throw new HoldfastError('precondition_failed', `run ${run} is not carried out by this node`, {
          hint: `ask node ${record.node}`,
        });
      return viewOf(await recordOf(parts, run, { signal }));
    },

    listRunTables: async ({ run, offset, limit, signal }) => {
      await recordOf(parts, run, { signal });
      const active = runner.find(run);
      if (!active)
        throw new HoldfastError('precondition_failed', `run ${run} is not being carried out by this node`, {
          hint: 'of a backup that exists, holdfast show and holdfast list --table say what is in each table',
        });
      const { tables, total } = active.progress.tables({ offset, limit });
      return {
        total,
        tables: tables.map(({ startedAtMs, endedAtMs, estimatedEndMs, ...table }) => ({
          ...table,
          ...(startedAtMs !== undefined && { startedAt: isoOf(startedAtMs) }),
          ...(endedAtMs !== undefined && { endedAt: isoOf(endedAtMs) }),
          ...(estimatedEndMs !== undefined && { estimatedEnd: isoOf(estimatedEndMs) }),
        })),
      };
    },

    getRunLog: async ({ run, signal }) => {
      const record = await recordOf(parts, run, { signal });
      const text = await logs.read(run);
      if (text === undefined && record.node !== config.name)
        throw new HoldfastError('not_found', `the log of run ${run} is not on this node`, {
          hint: `ask node ${record.node}`,
        });
      return linesOf(text ?? '', record);
    },
  };
}

/** Tasks that are due at once have runs of one moment: then their names decide, or a page would end between them. */
function newestFirst(a: string, b: string): number {
  return timeOfRun(b) - timeOfRun(a) || (a < b ? 1 : a > b ? -1 : 0);
}

/** The history may be this much longer than its limit before it is trimmed. */
const historySlack = 100;

/** The newest first. */
export function historyOf(
  { ledger }: NodeParts,
  task: string,
  o: Sig & { readonly last: number },
): Promise<readonly RunRecord[]> {
  return ledger.history(task, o);
}

async function recordOf({ ledger }: NodeParts, run: string, o: Sig): Promise<RunRecord> {
  const record = isRunId(run) ? await ledger.run(run, o) : undefined;
  if (!record) throw noRun(run);
  return record;
}

async function* linesOf(text: string, { id, task }: RunRecord): AsyncGenerator<LogLine> {
  for (const line of text.split('\n')) {
    // The last one may be on its way to the disk.
    if (line.endsWith('}')) yield { ...JSON.parse(line), run: id, task };
  }
}

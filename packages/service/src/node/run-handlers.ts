import type { LogLine, RunView } from '@holdfast/client';
import { isRunId, noRun, noTask, type RunRecord, timeOfRun } from '@holdfast/coordinator';
import { HoldfastError, type Sig } from '@holdfast/core';
import type { Asked, Handlers } from '../api/index.ts';
import type { NodeParts } from './node-parts.ts';
import { isElsewhere, ownRunView, wholeRunView } from './peers-runs.ts';
import { isoOf } from './views.ts';

type RunHandlers = Pick<Handlers, 'listRuns' | 'getRun' | 'cancelRun' | 'listRunTables' | 'getRunLog'>;

export function runHandlers(parts: NodeParts): RunHandlers {
  const { runner, logs, config, view, peers } = parts;
  return {
    listRuns: async ({ task, state, limit, before, signal, peer }) => {
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
      const shown = found.slice(0, limit).map((run) => wholeRunView(parts, run, { signal, peer }));
      return { runs: await Promise.all(shown), more: found.length > limit };
    },

    getRun: async ({ run, signal, peer }) =>
      wholeRunView(parts, await recordOf(parts, run, { signal }), { signal, peer }),

    cancelRun: async ({ run, signal, peer }) => {
      const record = await recordOf(parts, run, { signal });
      const reason = new HoldfastError('cancelled', 'stopped on request');
      if (runner.find(run)) await endHere(parts, { run, reason, peer });
      else if (record.endedAtMs === undefined) return endElsewhere(parts, record, { signal, peer });
      return ownRunView(parts, await recordOf(parts, run, { signal }));
    },

    listRunTables: async ({ run, offset, limit, signal, peer }) => {
      const record = await recordOf(parts, run, { signal });
      const active = runner.find(run);
      if (isElsewhere(parts, record, { signal, peer }))
        return peers.ask(record.node, (client) => client.listRunTables({ run, offset, limit, signal }), {
          signal,
        });
      if (!active)
        throw new HoldfastError('precondition_failed', `run ${run} is not being carried out now`, {
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

    getRunLog: async ({ run, signal, peer }) => {
      const record = await recordOf(parts, run, { signal });
      const text = await logs.read(run);
      if (text !== undefined || record.node === config.name) return linesOf(text ?? '', record);
      if (peer !== undefined)
        throw new HoldfastError('not_found', `the log of run ${run} is not on this node`, {
          hint: `ask node ${record.node}`,
        });
      if (!peers.isAlive(record.node))
        throw new HoldfastError(
          'not_found',
          `the log of run ${run} is on ${record.node}, which is not alive`,
          {
            hint: `it can be read again when ${record.node} is there`,
          },
        );
      return peers.ask(record.node, (client) => begun(client.getRunLog({ run, signal })), { signal });
    },
  };
}

/** How long a node that asks in place of a person waits for a run's end: it gives up soon after. */
const endMaxMs = 3_000;

/** Ends a run that is carried out here; for another node, what takes longer goes on by itself. */
export async function endHere(
  { runner, clock }: NodeParts,
  o: { readonly run: string; readonly reason: HoldfastError; readonly peer: string | undefined },
): Promise<void> {
  const ended = runner.end(o.run, o.reason);
  if (o.peer === undefined) {
    await ended;
    return;
  }
  const over = new AbortController();
  await Promise.race([ended, clock.sleep(endMaxMs, over.signal).catch(() => undefined)]);
  over.abort();
}

async function endElsewhere(parts: NodeParts, { id, node }: RunRecord, asked: Asked): Promise<RunView> {
  const { signal, peer } = asked;
  if (node === parts.config.name)
    throw new HoldfastError(
      'precondition_failed',
      `run ${id} is not carried out by ${node} yet, or any more`,
      {
        hint: 'try again in a moment',
      },
    );
  if (peer !== undefined)
    throw new HoldfastError('precondition_failed', `run ${id} is not carried out by this node`, {
      hint: `ask node ${node}`,
    });
  return parts.peers.ask(node, (client) => client.cancelRun({ run: id, signal }), { signal });
}

/** The lines, once the first of them is there: what keeps it from coming is thrown before anything is answered. */
async function begun(lines: AsyncGenerator<LogLine, void, void>): Promise<AsyncGenerator<LogLine>> {
  const first = await lines.next();
  return (async function* () {
    try {
      if (first.done) return;
      yield first.value;
      yield* lines;
    } finally {
      await lines.return();
    }
  })();
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

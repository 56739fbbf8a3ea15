import type { RunView } from '@holdfast/client';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { history, logs } from '../node-commands.ts';
import { table } from '../table.ts';
import { bytes, count, duration } from '../units.ts';
import { newestRun } from './newest-run.ts';

export async function runHistory(
  { values, operands }: Call<typeof history>,
  context: Context,
): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const [task] = operands;
  const { state, before, limit } = values;
  const found = await client.listRuns({
    limit,
    signal,
    ...(task !== undefined && { task }),
    ...(state !== undefined && { state: state as RunView['state'] }),
    ...(before !== undefined && { before }),
  });
  context.answer(found, () => {
    if (found.runs.length === 0) return 'no runs\n';
    const last = found.runs.at(-1)?.id;
    return `${historyTable(found.runs)}${found.more ? `older ones: --before ${last}\n` : ''}`;
  });
  return 0;
}

function historyTable(runs: readonly RunView[]): string {
  return table(
    [
      { title: 'RUN' },
      { title: 'STATE' },
      { title: 'SCOPE' },
      { title: 'TRIGGER' },
      { title: 'TOOK', align: 'right' },
      { title: 'ROWS', align: 'right' },
      { title: 'CHANGES', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: 'BACKUP, OR WHY NOT' },
    ],
    runs.map((run) => [
      run.id,
      run.outcome === 'unchanged' ? 'unchanged' : run.state,
      run.scopeMade ?? run.scopeAsked,
      run.trigger,
      run.startedAt && run.endedAt ? duration(Date.parse(run.endedAt) - Date.parse(run.startedAt)) : '-',
      count(run.rows),
      count(run.changes),
      bytes(run.storedBytes),
      made(run) ?? run.error?.message.split('\n')[0] ?? run.waitingFor ?? run.reason,
    ]),
  );
}

/** The backup, and who had no copy of it when the run ended. */
function made({ backup, destinations }: RunView): string | undefined {
  const behind = destinations.filter(({ state }) => state === 'behind').map(({ name }) => name);
  return backup !== undefined && behind.length > 0 ? `${backup} (left ${behind.join(', ')} behind)` : backup;
}

export async function runLogs({ values, operands }: Call<typeof logs>, context: Context): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const run = await newestRun(client, operands[0] ?? '', signal);
  const lines = await Array.fromAsync(client.getRunLog({ run, signal }));
  context.answer(lines, () =>
    lines.map(({ at, level, text }) => `${at} ${level.padEnd(5)} ${text}\n`).join(''),
  );
  return 0;
}

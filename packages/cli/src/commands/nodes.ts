import type { NodeView } from '@holdfast/client';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { nodes, nodesDrain } from '../node-commands.ts';
import { progressText, relative } from '../run-text.ts';
import { table } from '../table.ts';
import { duration } from '../units.ts';

export async function runNodes({ values }: Call<typeof nodes>, context: Context): Promise<number> {
  const client = await connect(values, context);
  const all = await client.listNodes({ signal: context.signal });
  context.answer(all, () => describeNodes(all, context));
  return 0;
}

export async function runNodesDrain(
  { values, operands }: Call<typeof nodesDrain>,
  context: Context,
): Promise<number> {
  const [node = ''] = operands;
  const client = await connect(values, context);
  const drained = await client.drainNode({ node, draining: !values.undo, signal: context.signal });
  context.answer(drained, () => {
    if (!drained.draining) return `node ${node} may have tasks again\n`;
    const has = drained.tasks === 0 ? 'it has none now' : `it has ${drained.tasks} now`;
    return `node ${node} gives its tasks away: ${has}; see holdfast nodes\n`;
  });
  return 0;
}

function describeNodes(all: readonly NodeView[], context: Context): string {
  const { colors, clock } = context;
  const rows = all.map((node) => [
    node.name,
    stateOf(node),
    String(node.tasks),
    String(node.owns),
    node.active ? `${node.active.length} of ${node.capacity ?? '?'}` : '-',
    node.startedAt === undefined ? '-' : relative(node.startedAt, clock.now()),
    clockText(node),
    node.version ?? '-',
    node.tags.join(', '),
  ]);
  const titles = ['NODE', 'STATE', 'TASKS', 'OWNS', 'RUNS', 'STARTED', 'CLOCK', 'VERSION', 'TAGS'];
  const runs = all
    .flatMap(({ name, active = [] }) => active.map((run) => ({ name, run })))
    .map(({ name, run }) => `${name}: ${progressText(run, clock.now())}\n`);
  const problems = all.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`${name}: ${colors.red(problem)}\n`],
  );
  return `${table(
    titles.map((title) => ({ title })),
    rows,
  )}${runs.join('')}${problems.join('')}`;
}

function stateOf({ alive, draining }: NodeView): string {
  const state = alive ? 'alive' : 'gone';
  return draining ? `${state}, drains` : state;
}

/** `12.0 s ahead` of the clock of the node that answers. */
function clockText({ clockOffsetMs }: NodeView): string {
  if (clockOffsetMs === undefined) return '-';
  if (Math.abs(clockOffsetMs) < 1000) return 'same';
  return `${duration(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? 'ahead' : 'behind'}`;
}

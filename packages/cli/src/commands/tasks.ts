import type { Client, DecisionView, TaskDetail, TaskView } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import type { Call } from '../commands.ts';
import { connect, type ServerValues } from '../connect.ts';
import type { Context } from '../context.ts';
import type { cancel, delay, notificationTest, pause, resume, tasks } from '../node-commands.ts';
import { describeRun, freshnessText, relative } from '../run-text.ts';
import { pairs, table } from '../table.ts';
import { newestRun } from './newest-run.ts';

export async function runTasks({ values, operands }: Call<typeof tasks>, context: Context): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const [name] = operands;
  if (values.why) {
    if (name === undefined)
      throw new HoldfastError('config_invalid', '--why is about one task, and none is named', {
        hint: 'holdfast tasks --why TASK',
      });
    const decisions = await client.listDecisions({ task: name, signal });
    context.answer(decisions, () => describeDecisions(name, decisions));
    return 0;
  }
  if (name !== undefined) {
    const detail = await client.getTask({ task: name, signal });
    context.answer(detail, () => describeTask(detail, context));
    return 0;
  }
  const all = await client.listTasks({ signal });
  context.answer(all, () => taskTable(all, context));
  return 0;
}

export function taskTable(all: readonly TaskView[], context: Context): string {
  if (all.length === 0) return 'no tasks are declared: see holdfast apply --help\n';
  const nowMs = context.clock.now();
  const rows = all.map((task) => [
    task.name,
    task.running ? `${task.running.state}` : task.state,
    freshnessText(task, context.colors),
    task.lastGood ? relative(task.lastGood.at, nowMs) : 'never',
    task.next ? `${task.next.scope} ${relative(task.next.at, nowMs)}` : '-',
    task.node ?? 'nobody',
    [...task.warnings, ...(task.lastError ? [task.lastError.message] : [])][0]?.slice(0, 80) ?? '',
  ]);
  const titles = ['TASK', 'STATE', 'FRESHNESS', 'LAST GOOD', 'NEXT', 'NODE', 'NOTE'];
  return table(
    titles.map((title) => ({ title })),
    rows,
  );
}

function describeTask(task: TaskDetail, context: Context): string {
  const nowMs = context.clock.now();
  const when = (at: string): string => `${at} (${relative(at, nowMs)})`;
  const rows: (readonly [string, string])[] = [
    ['state', task.running ? `${task.running.state}: ${task.running.run}` : task.state],
    ['source', `${task.source} (${task.type})`],
    ['destinations', task.destinations.join(', ')],
    ['full', task.schedules.full ?? '-'],
    ['incremental', task.schedules.incremental ?? '-'],
    ['time zone', task.schedules.timezone],
    ['node', `${task.node ?? 'nobody'}: ${task.nodeReason}`],
    ...(task.notSuitable
      ? [['not suitable', `since ${when(task.notSuitable.since)}: ${task.notSuitable.reason}`] as const]
      : []),
    ['incrementals', ownerText(task)],
    ['freshness', `${freshnessText(task, context.colors)}: ${task.freshness.reason}`],
    [
      'last good full',
      task.lastGoodFull ? `${task.lastGoodFull.backup}, ${when(task.lastGoodFull.at)}` : 'never',
    ],
    ['last good', task.lastGood ? `${task.lastGood.backup}, ${when(task.lastGood.at)}` : 'never'],
    ...Object.entries(task.lastGoodByDestination).map(
      ([name, good]) => [`  at ${name}`, `${good.backup}, ${when(good.at)}`] as const,
    ),
  ];
  if (task.delayedUntil) rows.push(['delayed until', when(task.delayedUntil)]);
  if (task.lastError) rows.push(['last error', `${when(task.lastError.at)}: ${task.lastError.message}`]);
  for (const warning of task.warnings) rows.push(['warning', context.colors.yellow(warning)]);
  for (const next of task.nextRuns) rows.push(['next', `${next.scope}, ${when(next.at)}`]);
  const recent = task.recentRuns.map((run) => `  ${run.createdAt}  ${describeRun(run, context.colors)}`);
  return `${context.colors.bold(task.name)}\n${pairs(rows)}${recent.length === 0 ? '' : `\nrecent runs\n${recent.join('\n')}\n`}`;
}

/** Who continues which chain. */
function ownerText({ owner, node }: TaskDetail): string {
  if (!owner) return 'none before the next full';
  const next = owner.node === node ? '' : `; ${node ?? 'nobody'} is responsible, and makes a full first`;
  return `by ${owner.node}, of ${owner.chain}${next}`;
}

/** `2026-11-20T15:10:30.000Z  node-a: the task moves to node-a (generation 3): node-b is not alive` */
function describeDecisions(task: string, decisions: readonly DecisionView[]): string {
  if (decisions.length === 0) return `nothing was decided about task ${task} yet\n`;
  return decisions
    .map((decision) => `${decision.at}  ${decision.by}: ${decisionText(decision)}: ${decision.reason}\n`)
    .join('');
}

function decisionText({ kind, node = 'nobody', generation }: DecisionView): string {
  const texts: Readonly<Record<DecisionView['kind'], string>> = {
    assigned: `${node} gets the task`,
    'not-suitable': `${node} cannot run the task`,
    'suitable-again': `${node} can run the task again`,
    moved: `the task moves to ${node}`,
    released: 'no node has the task',
    ownership: `${node} makes the incrementals`,
    apart: `${node} goes on without the store`,
    closed: `what ${node} made without the store is not continued`,
  };
  return `${texts[kind]} (generation ${generation})`;
}

export function runPause(call: Call<typeof pause>, context: Context): Promise<number> {
  return change(call.values, context, (client) =>
    client.pauseTask({ task: call.operands[0] ?? '', signal: context.signal }),
  );
}

export function runResume(call: Call<typeof resume>, context: Context): Promise<number> {
  return change(call.values, context, (client) =>
    client.resumeTask({ task: call.operands[0] ?? '', signal: context.signal }),
  );
}

export function runDelay(call: Call<typeof delay>, context: Context): Promise<number> {
  const text = `${Math.round(call.values.for / 1000)}s`;
  return change(call.values, context, (client) =>
    client.delayTask({ task: call.operands[0] ?? '', for: text, signal: context.signal }),
  );
}

async function change(
  values: ServerValues,
  context: Context,
  act: (client: Client) => Promise<TaskView>,
): Promise<number> {
  const task = await act(await connect(values, context));
  context.answer(task, () => {
    const next = task.next ? `; next: ${task.next.scope} ${relative(task.next.at, context.clock.now())}` : '';
    return `task ${task.name} is ${task.state}${task.delayedUntil ? ` until ${task.delayedUntil}` : ''}${next}\n`;
  });
  return 0;
}

export async function runCancel(
  { values, operands }: Call<typeof cancel>,
  context: Context,
): Promise<number> {
  const client = await connect(values, context);
  const run = await newestRun(client, operands[0] ?? '', context.signal);
  const ended = await client.cancelRun({ run, signal: context.signal });
  const isOver = ended.endedAt !== undefined;
  context.answer(ended, () =>
    isOver ? `${describeRun(ended, context.colors)}\n` : `run ${run} was told to end\n`,
  );
  return 0;
}

export async function runNotificationTest(
  { values, operands }: Call<typeof notificationTest>,
  context: Context,
): Promise<number> {
  const [notification = ''] = operands;
  const client = await connect(values, context);
  const answer = await client.testNotification({ notification, signal: context.signal });
  context.answer(answer, () => `${notification}: the message was taken\n`);
  return 0;
}

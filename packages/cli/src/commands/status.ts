import type { ApiEvent, Client, NodeStatus, RunView } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { status } from '../node-commands.ts';
import { describeRun, progressText, relative } from '../run-text.ts';
import { pairs } from '../table.ts';

/** A terminal is drawn anew this often. */
const drawEveryMs = 1_000;
/** After the node went away: until it is asked again. */
const connectAgainMs = 2_000;

const home = '\x1b[H';
const clearBelow = '\x1b[J';
const clearScreen = '\x1b[2J';

export async function runStatus({ values }: Call<typeof status>, context: Context): Promise<number> {
  const client = await connect(values, context);
  const { signal } = context;
  const now = await client.getStatus({ signal });
  if (!values.watch) {
    context.answer(now, () => describeStatus(now, context));
    return 0;
  }
  try {
    if (context.terminal.out.isTerminal && !context.json) await draw(client, context);
    else await follow(client, now, context);
  } catch (caught) {
    if (!signal.aborted) throw caught;
  }
  return 0;
}

function describeStatus(now: NodeStatus, context: Context): string {
  const { colors, clock } = context;
  const fresh = Object.entries(now.tasks.byFreshness).map(([state, n]) => `${n} ${state}`);
  const rows: (readonly [string, string])[] = [
    ['node', `${now.node}, ${now.version}, started ${relative(now.startedAt, Date.parse(now.now))}`],
    ['store', now.store],
    ['tasks', `${now.tasks.total}${fresh.length === 0 ? '' : `: ${fresh.join(', ')}`}`],
    ...now.problems.map((problem) => ['problem', colors.red(problem)] as const),
  ];
  const runs = now.active.map((run) => `  ${progressText(run, clock.now())}\n`).join('');
  return `${pairs(rows)}${runs === '' ? '  nothing is running\n' : runs}`;
}

/** Redraws one screen. */
async function draw(client: Client, context: Context): Promise<void> {
  const { out } = context.terminal;
  out.write(clearScreen);
  for (;;) {
    const text = await screenText(client, context);
    out.write(`${home}${text.replaceAll('\n', '\x1b[K\n')}${clearBelow}`);
    await context.clock.sleep(drawEveryMs, context.signal);
  }
}

/** A node that is away for a while is what one watches for. */
async function screenText(client: Client, context: Context): Promise<string> {
  try {
    return describeStatus(await client.getStatus({ signal: context.signal }), context);
  } catch (caught) {
    const error = HoldfastError.from(caught);
    if (context.signal.aborted || error.code !== 'unavailable') throw error;
    return `  ${context.colors.red(error.reason)}; it is asked again\n`;
  }
}

/** Prints events as they come; connects again where the node was restarted. */
async function follow(client: Client, first: NodeStatus, context: Context): Promise<void> {
  const { out, err } = context.terminal;
  if (!context.json) out.write(describeStatus(first, context));
  for (;;) {
    try {
      for await (const event of client.events({ signal: context.signal })) {
        const line = context.json ? JSON.stringify(event) : eventText(event, context);
        if (line !== undefined) out.write(`${line}\n`);
      }
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (context.signal.aborted || error.code !== 'unavailable') throw error;
      err.write(`${error.reason}; it is asked again\n`);
    }
    await context.clock.sleep(connectAgainMs, context.signal);
  }
}

function eventText(event: ApiEvent, context: Context): string | undefined {
  const nowMs = context.clock.now();
  const at = new Date(nowMs).toISOString();
  if (event.kind === 'run') return `${at} ${runText(event.run, context, nowMs)}`;
  if (event.kind === 'objects') return `${at} objects applied: revision ${event.revision}`;
  return undefined;
}

function runText(run: RunView, context: Context, nowMs: number): string {
  return run.endedAt === undefined ? progressText(run, nowMs) : describeRun(run, context.colors);
}

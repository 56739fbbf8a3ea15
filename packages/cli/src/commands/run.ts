import type { Client, RunView } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { run } from '../node-commands.ts';
import { describeRun, progressText } from '../run-text.ts';

/** Progress is asked for this often: the node has it from the run's process at most ten times a second. */
const askEveryMs = 500;

export async function runRun(call: Call<typeof run>, context: Context): Promise<number> {
  const { values, operands } = call;
  const { signal } = context;
  const [task = ''] = operands;
  const client = await connect(values, context);
  const scope = values.full ? 'full' : values.incremental ? 'incremental' : undefined;
  const started = await client.runTask({
    task,
    signal,
    ...(scope && { scope }),
    ...(values['new-source'] && { newSource: true }),
    ...(values.node !== undefined && { node: values.node }),
  });
  const { err } = context.terminal;
  if (!context.json) {
    const what = started.already ? 'is running already' : 'has started';
    err.write(`run ${started.run.id} ${what} on ${started.run.node}: ${started.run.reason}\n`);
  }
  if (values['no-wait']) {
    context.answer(started, () => `${started.run.id}\n`);
    return 0;
  }
  const ended = await untilEnd(client, started.run, context);
  if (ended.state !== 'succeeded') throw failureOf(ended);
  if (!context.json) warnOfBehind(ended, context);
  context.answer({ run: ended, already: started.already }, () => `${describeRun(ended, context.colors)}\n`);
  return 0;
}

/** The run has done what it has to do all the same. */
function warnOfBehind({ destinations }: RunView, { terminal, colors }: Context): void {
  for (const { name, state, error } of destinations) {
    if (state !== 'behind') continue;
    const why = error ? `: ${error.message}` : '';
    terminal.err.write(`${colors.yellow('warning:')} ${name} does not have it yet${why}; it catches up\n`);
  }
}

/** Asks until the run has ended, and shows how far it is. */
async function untilEnd(client: Client, first: RunView, context: Context): Promise<RunView> {
  const { clock, signal } = context;
  const line = context.statusLine();
  try {
    let current = first;
    for (;;) {
      if (current.endedAt !== undefined) return current;
      if (!context.json) line.show(() => progressText(current, clock.now()));
      await clock.sleep(askEveryMs, signal);
      current = await client.getRun({ run: first.id, signal });
    }
  } catch (caught) {
    if (!signal.aborted) throw caught;
    line.clear();
    throw new HoldfastError('cancelled', `stopped waiting for run ${first.id}, which goes on`, {
      hint: `see holdfast status; to end it: holdfast cancel ${first.id}`,
    });
  } finally {
    line.clear();
  }
}

/** The run's own error decides the exit code. */
function failureOf(run: RunView): HoldfastError {
  const { error } = run;
  if (run.state === 'failed' && error)
    return new HoldfastError(error.code, `run ${run.id} failed: ${error.message}`, {
      hint: error.hint ?? `see holdfast logs ${run.id}`,
    });
  return new HoldfastError('cancelled', `run ${run.id} was ${run.state}: ${error?.message ?? run.reason}`, {
    hint: `see holdfast logs ${run.id}`,
  });
}

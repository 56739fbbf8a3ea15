import type { Client, CopyView } from '@holdfast/client';
import { exitCodeOf, HoldfastError } from '@holdfast/core';
import { type CopyReport, schemeOf } from '@holdfast/service';
import type { Call, copy } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { copyText } from '../run-text.ts';
import { bytes, counted, duration } from '../units.ts';

/** A copy's state is asked for this often. */
const askEveryMs = 500;
/** A node that does not answer another one for a moment has not forgotten its copies. */
const missesMax = 20;

/** By URLs in a process of its own; by declared names on a node. */
export async function runCopy(call: Call<typeof copy>, context: Context): Promise<number> {
  const { from, to } = call.values;
  const isUrl = schemeOf(to) !== undefined;
  if (from !== undefined && isUrl !== (schemeOf(from) !== undefined))
    throw new HoldfastError('config_invalid', '--from and --to are two URLs, or two declared names', {
      hint: 'a node knows names, such as near; without a node both are URLs, such as file:/mnt/backups',
    });
  if (!isUrl) return copyByNames(call, context);
  if (from === undefined)
    throw new HoldfastError('config_invalid', 'where to copy from is not said', {
      hint: 'add --from URL: the destination that has the backups',
    });
  return copyByUrls(call, from, context);
}

async function copyByUrls({ values }: Call<typeof copy>, from: string, context: Context): Promise<number> {
  const { to, task, staging } = values;
  const report = await context.run({
    kind: 'copy',
    from: [from],
    to,
    ...(staging === undefined ? {} : { staging }),
    request: { task, chains: 'all' },
  });
  context.answer(report, () => describeReport(report, context));
  return report.problems.length === 0 ? 0 : exitCodeOf('precondition_failed');
}

function describeReport(report: CopyReport, context: Context): string {
  const { bold, yellow } = context.colors;
  const { backups, backupsThere, task, to, problems } = report;
  const there = backupsThere === 0 ? '' : `, ${counted(backupsThere, 'backup')} had been there before`;
  const sent = `${bytes(report.bytes)}, ${duration(context.elapsedMs)}`;
  return [
    bold(`Copied ${counted(backups.length, 'backup')} of ${task} to ${to}: ${sent}${there}`),
    ...problems.map((problem) => yellow(`problem: ${problem}`)),
    ...context.untold(report.notices).map((notice) => `note: ${notice}`),
    '',
  ].join('\n');
}

async function copyByNames({ values }: Call<typeof copy>, context: Context): Promise<number> {
  const { task, from, to, all } = values;
  const { signal } = context;
  const client = await connect(values, context);
  const started = await client.copyTask({ task, to, all, signal, ...(from !== undefined && { from }) });
  if (!context.json) {
    const what = started.already ? 'is there already' : 'has started';
    context.terminal.err.write(`copy ${started.copy.id} ${what}\n`);
  }
  if (values['no-wait']) {
    context.answer(started, () => `${started.copy.id}\n`);
    return 0;
  }
  const ended = await untilEnd(client, started.copy, context);
  if (ended.state !== 'succeeded') throw failureOf(ended);
  context.answer({ ...started, copy: ended }, () => {
    const what = `Copied ${counted(ended.backups.length, 'backup')} of ${task} to ${to}: ${bytes(ended.bytes)}`;
    return `${context.colors.bold(what)}\n`;
  });
  return 0;
}

/** Asks until the copy has ended, and shows how far it is. */
async function untilEnd(client: Client, first: CopyView, context: Context): Promise<CopyView> {
  const { clock, signal } = context;
  const line = context.statusLine();
  let misses = 0;
  try {
    for (let current = first; ; ) {
      if (current.endedAt !== undefined) return current;
      if (!context.json) line.show(() => copyText(current, clock.now()));
      await clock.sleep(askEveryMs, signal);
      const { copies } = await client.listCopies({ signal });
      const found = copies.find(({ id }) => id === first.id);
      misses = found ? 0 : misses + 1;
      if (misses > missesMax)
        throw new HoldfastError(
          'unavailable',
          `node ${first.node} no longer knows copy ${first.id}: it was restarted, or is away`,
          {
            hint: 'a destination that is behind gets its copy by itself; see holdfast destinations',
          },
        );
      current = found ?? current;
    }
  } catch (caught) {
    if (!signal.aborted) throw caught;
    throw new HoldfastError('cancelled', `stopped waiting for copy ${first.id}, which goes on`, {
      hint: 'see holdfast destinations',
    });
  } finally {
    line.clear();
  }
}

function failureOf({ id, state, error }: CopyView): HoldfastError {
  const code = state === 'failed' && error ? error.code : 'cancelled';
  return new HoldfastError(code, `copy ${id} ${state}: ${error?.message ?? 'no reason given'}`, {
    hint: error?.hint ?? 'see holdfast destinations --probe',
  });
}

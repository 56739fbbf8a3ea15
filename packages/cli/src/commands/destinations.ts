import type { DestinationView } from '@holdfast/client';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { destinations } from '../node-commands.ts';
import { relative } from '../run-text.ts';
import { table } from '../table.ts';
import { bytes, counted, duration } from '../units.ts';

export async function runDestinations(
  { values }: Call<typeof destinations>,
  context: Context,
): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const all = await client.listDestinations({ signal, probe: values.probe });
  context.answer(all, () => destinationTable(all, context));
  return 0;
}

function destinationTable(all: readonly DestinationView[], context: Context): string {
  if (all.length === 0) return 'no destinations are declared: see holdfast apply --help\n';
  const nowMs = context.clock.now();
  const rows = all.map((one) => [
    one.name,
    one.disabled ? `${one.type}, disabled` : one.type,
    reachableText(one),
    one.probe?.usedBytes === undefined ? '-' : bytes(one.probe.usedBytes),
    one.probe?.freeBytes === undefined ? '-' : bytes(one.probe.freeBytes),
    behindText(one, nowMs),
    lastGoodText(one, nowMs),
  ]);
  const titles = ['NAME', 'TYPE', 'REACHABLE', 'USED', 'FREE', 'BEHIND', 'LAST GOOD'];
  const lines = table(
    titles.map((title) => ({ title })),
    rows,
  );
  return lines + all.flatMap((one) => troublesOf(one, context)).join('');
}

function reachableText({ probe }: DestinationView): string {
  if (!probe) return '-';
  if (!probe.reachable) return 'no';
  return probe.error ? 'yes, refuses' : 'yes';
}

/** Of all tasks together, and since the first of them. */
function behindText({ tasks }: DestinationView, nowMs: number): string {
  const behind = tasks.flatMap((one) => (one.behind ? [one.behind] : []));
  if (behind.length === 0) return 'no';
  const backups = behind.reduce((sum, one) => sum + one.backups, 0);
  const sinceMs = Math.min(...behind.map(({ since }) => Date.parse(since)));
  return `${counted(backups, 'backup')}, ${duration(Math.max(0, nowMs - sinceMs))}`;
}

function lastGoodText({ tasks }: DestinationView, nowMs: number): string {
  const moments = tasks.flatMap(({ lastGood }) => (lastGood ? [lastGood.at] : [])).sort();
  const newest = moments.at(-1);
  return newest === undefined ? 'never' : relative(newest, nowMs);
}

function troublesOf({ name, probe, tasks }: DestinationView, context: Context): string[] {
  const { yellow } = context.colors;
  const troubles = tasks.flatMap(({ task, behind }) =>
    behind?.error ? [`${name} is behind with ${task}: ${behind.error.message}`] : [],
  );
  if (probe?.error) troubles.unshift(`${name}: ${probe.error.message}`);
  return troubles.map((text) => `${yellow(text)}\n`);
}

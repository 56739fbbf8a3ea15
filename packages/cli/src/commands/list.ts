import { type ChunkEntry, HoldfastError, matchesPath } from '@holdfast/core';
import type { BackupListing, ChainListing, TaskListing } from '@holdfast/service';
import { openBackups } from '@holdfast/service';
import type { Call, list } from '../commands.ts';
import type { Context } from '../context.ts';
import { table } from '../table.ts';
import { bytes, count, counted, moment } from '../units.ts';
import { coldRemark } from './cold-text.ts';

/** The chunks of one table in one backup. */
interface TableChunks {
  readonly task: string;
  readonly backup: string;
  readonly chunks: readonly {
    readonly path: string;
    readonly kind: string;
    readonly rows: number;
    readonly storedBytes: number;
  }[];
}

export async function runList({ values }: Call<typeof list>, context: Context): Promise<number> {
  const { signal } = context;
  await using backups = await openBackups(values.at, { signal });
  const all = await backups.list({ signal });
  const tasks = all.filter((one) => values.task === undefined || one.task === values.task);
  if (tasks.length === 0 && values.task !== undefined) {
    const known = all.map((one) => one.task).join(', ');
    throw new HoldfastError('not_found', `no task ${values.task} has backups at ${backups.description}`, {
      hint: known === '' ? 'nothing at all is stored there' : `there are backups of ${known}`,
    });
  }
  if (tasks.length === 0 && !context.json)
    context.terminal.err.write(`no backups at ${backups.description}\n`);
  const { table: pattern } = values;
  if (pattern === undefined) {
    context.answer({ tasks }, () => tasks.map((one) => describeTask(one, context)).join('\n'));
    return 0;
  }
  const found: TableChunks[] = [];
  for (const { task, backup } of tasks.flatMap(backupsOf)) {
    const { manifest } = await backups.show({ task, backup }, { signal });
    const chunks = manifest.chunks.flatMap((chunk) => chunksOf(chunk, pattern));
    if (chunks.length > 0) found.push({ task, backup, chunks });
  }
  context.answer({ tables: found }, () => describeTable(found));
  return 0;
}

function backupsOf(listing: TaskListing): { task: string; backup: string }[] {
  return listing.chains
    .flatMap((chain) => chain.backups)
    .map(({ backup }) => ({ task: listing.task, backup }));
}

/** Rows of a table stand in chunks of its own; its changes among those of all tables, counted apart. */
function chunksOf(chunk: ChunkEntry, pattern: string): TableChunks['chunks'] {
  if (chunk.kind !== 'changes') {
    if (!matchesPath(chunk.path, pattern)) return [];
    return [{ path: chunk.path, kind: chunk.kind, rows: chunk.rows, storedBytes: chunk.bytes }];
  }
  return Object.entries(chunk.tables ?? {})
    .filter(([path]) => matchesPath(path, pattern))
    .map(([path, rows]) => ({ path, kind: chunk.kind, rows, storedBytes: chunk.bytes }));
}

function describeTask(listing: TaskListing, context: Context): string {
  const { bold } = context.colors;
  const strays = listing.strays.length;
  const litter = strays === 0 ? '' : `  ${counted(strays, 'object')} below it belong to no backup\n`;
  return `${bold(listing.task)}\n${listing.chains.map((chain) => describeChain(chain, context)).join('')}${litter}`;
}

function describeChain(chain: ChainListing, context: Context): string {
  const { source, backups, problems } = chain;
  const about = `${chain.type}, ${source.type} ${source.name} ${source.version}, node ${chain.node}`;
  const text = table(
    [
      { title: 'BACKUP' },
      { title: 'SCOPE' },
      { title: 'RESTORES TO' },
      { title: 'ROWS', align: 'right' },
      { title: 'DATA', align: 'right' },
      { title: 'STORED', align: 'right' },
      { title: '' },
    ],
    backups.map((one) => [
      one.backup,
      one.scope,
      restorePoints(one),
      count(one.rows),
      bytes(one.rawBytes),
      bytes(one.storedBytes),
      [one.restorable ? '' : 'cannot be restored', coldRemark(one.cold, one.segments)]
        .filter((remark) => remark !== '')
        .join(', '),
    ]),
  );
  const remarks = problems.map((problem) => `  ${context.colors.red(`problem: ${problem}`)}\n`).join('');
  return `  chain ${chain.chain} (${about})\n${indent(text)}${remarks}`;
}

/** A full backup restores to its moment, an incremental to any one inside it. */
function restorePoints({ scope, from, to }: BackupListing): string {
  if (scope === 'full' || !from || from.timeMs === to.timeMs) return moment(to.timeMs);
  return `${moment(from.timeMs)} … ${moment(to.timeMs)}`;
}

function describeTable(found: readonly TableChunks[]): string {
  if (found.length === 0) return '';
  return table(
    [
      { title: 'TASK' },
      { title: 'BACKUP' },
      { title: 'CHUNK' },
      { title: 'KIND' },
      { title: 'ROWS', align: 'right' },
      { title: 'STORED', align: 'right' },
    ],
    found.flatMap(({ task, backup, chunks }) =>
      chunks.map((chunk) => [
        task,
        backup,
        chunk.path,
        chunk.kind,
        count(chunk.rows),
        bytes(chunk.storedBytes),
      ]),
    ),
  );
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

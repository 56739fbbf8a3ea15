import {
  backupName,
  type Destination,
  HoldfastError,
  type Manifest,
  RowDigest,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import type { BackupListing } from '../api.ts';
import { ChunkStream } from '../read/chunk-stream.ts';
import { SegmentReader } from '../read/segment-reader.ts';
import type { FoundBackup, FoundChain } from './chain.ts';
import { findTasks } from './find-chains.ts';
import { coldOf } from './listing.ts';

/** One backup. */
export interface ShownBackup extends Pick<BackupListing, 'cold'> {
  readonly manifest: Manifest;
  readonly schema: readonly SchemaStatement[];
  /** The schema is not known: its segment would have to be thawed first. */
  readonly schemaIsCold?: true;
}

/** `holdfast show`: one backup's manifest, and the schema that holds at its end. */
export async function showBackup(
  destination: Destination,
  name: { readonly task?: string | undefined; readonly backup?: string | undefined },
  o: Sig,
): Promise<ShownBackup> {
  const { chain, found } = await findBackup(destination, name, o);
  const upTo = chain.backups.slice(0, chain.backups.indexOf(found) + 1);
  const shown = { manifest: found.manifest, ...coldOf(chain, found.manifest) };
  try {
    return { ...shown, schema: await readSchema(destination, upTo, o) };
  } catch (error) {
    const isCold = HoldfastError.from(error).code === 'precondition_failed' && (chain.cold?.size ?? 0) > 0;
    if (!isCold) throw error;
    return { ...shown, schema: [], schemaIsCold: true };
  }
}

/** A backup by name, or the newest of the (only) task. @throws HoldfastError not_found, config_invalid */
export async function findBackup(
  destination: Destination,
  name: { readonly task?: string | undefined; readonly backup?: string | undefined },
  o: Sig,
): Promise<{ readonly chain: FoundChain; readonly found: FoundBackup }> {
  const chains = await chainsOfTask(destination, name.task, o);
  const all = chains.flatMap((chain) => chain.backups.map((found) => ({ chain, found })));
  const matching = all.filter(({ chain, found }) => {
    return (
      name.backup === undefined ||
      name.backup === chain.chain ||
      name.backup === backupName(chain.chain, found.manifest.sequence)
    );
  });
  const newest = matching.sort((a, b) => a.found.manifest.to.timeMs - b.found.manifest.to.timeMs).at(-1);
  if (newest) return newest;
  throw new HoldfastError(
    'not_found',
    `there is no backup ${name.backup ?? ''} at ${destination.description}`.replace('  ', ' '),
    {
      hint: '`holdfast list --at …` names the backups that are there',
    },
  );
}

/** The chains of a task; without a name, of the only task. */
export async function chainsOfTask(
  destination: Destination,
  task: string | undefined,
  o: Sig,
): Promise<readonly FoundChain[]> {
  const tasks = await findTasks(destination, { ...o, task });
  const [only, second] = tasks;
  if (!only)
    throw new HoldfastError(
      'not_found',
      task
        ? `there is no task ${task} at ${destination.description}`
        : `there are no backups at ${destination.description}`,
      {
        hint: 'look at the URL; `holdfast list --at …` shows what is there',
      },
    );
  if (second)
    throw new HoldfastError(
      'config_invalid',
      `there are several tasks at ${destination.description}: ${tasks.map((one) => one.task).join(', ')}`,
      {
        hint: 'say which one with --task',
      },
    );
  return only.chains;
}

/** The statements of the newest schema chunk of these backups. */
export async function readSchema(
  destination: Destination,
  backups: readonly FoundBackup[],
  o: Sig,
): Promise<SchemaStatement[]> {
  for (const { manifest, key } of [...backups].reverse()) {
    const entry = manifest.chunks.find(({ kind }) => kind === 'schema');
    if (!entry) continue;
    const object = `${key.slice(0, key.lastIndexOf('/'))}/${manifest.segments[entry.segment]?.name}`;
    await using segment = new SegmentReader(destination, object, {
      ...o,
      start: entry.offset,
      length: entry.bytes,
    });
    const blocks: Buffer[] = [];
    for await (const block of new ChunkStream(entry, segment, new RowDigest()).blocks())
      blocks.push(Buffer.from(block));
    const lines = Buffer.concat(blocks)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
    return lines.map((line) => {
      const [section, type, name, text] = JSON.parse(line) as [
        SchemaStatement['section'],
        string,
        string,
        string,
      ];
      return { section, type, name, text };
    });
  }
  return [];
}

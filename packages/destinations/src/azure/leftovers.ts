import type { ContainerClient } from '@azure/storage-blob';
import type { Sig } from '@holdfast/core';
import { blockIdLength, isOfLine } from './block-id.ts';
import { blocksMax } from './block-plan.ts';
import { isConflict, isMissing, isRefusal } from './errors.ts';
import type { AzureSession } from './session.ts';

/**
 * Blocks that were sent and belong to no object yet are dropped by the service when an object of their name is
 * written, and by nothing else before a week is over. To drop them, an object without blocks is put together and
 * deleted; it is marked, and an object with this mark is none to who reads this, should the deletion be cut off.
 */
const discardMark = 'holdfast_discard';

type Metadata = Readonly<Record<string, string>> | undefined;

function isDiscarded(metadata: Metadata): boolean {
  return Object.keys(metadata ?? {}).some((name) => name.toLowerCase() === discardMark);
}

/** What looks like an object and is none: such a mark, or a folder of an account with a hierarchical namespace. */
export function isNoObject(metadata: Metadata): boolean {
  return isDiscarded(metadata) || metadata?.hdi_isfolder === 'true';
}

/** Blocks that no writer can put others beside: of other programs, whose names are not as long, or too many. */
export function areInTheWay(blocks: ReadonlyMap<string, number>): boolean {
  return blocks.size > blocksMax || [...blocks.keys()].some((id) => id.length !== blockIdLength);
}

/** Names and sizes of the blocks that belong to no object yet; undefined where the credentials may not read. */
export async function uncommittedBlocks(
  session: AzureSession,
  name: string,
  o: Sig,
): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const list = await session.run(o, (container) =>
      container.getBlockBlobClient(name).getBlockList('uncommitted', { abortSignal: o.signal }),
    );
    return new Map(list.uncommittedBlocks?.map((block) => [block.name, block.size]));
  } catch (error) {
    if (isMissing(error)) return new Map();
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/**
 * Drops the blocks of unfinished writes: all of them, or those of one line while no other writer is at work under the
 * same name (its own commit drops ours as well). Where an object of the name is there, nothing can be done but wait.
 */
export async function discardBlocks(
  session: AzureSession,
  name: string,
  o: Sig & { readonly line?: Buffer },
): Promise<void> {
  const { line } = o;
  const blocks = await uncommittedBlocks(session, name, o);
  if (!blocks || blocks.size === 0) return;
  if (line && [...blocks.keys()].some((id) => !isOfLine(id, line))) return;
  await session.run(o, (container) => replaceByNothing(container, name, o));
}

async function replaceByNothing(container: ContainerClient, name: string, o: Sig): Promise<void> {
  const blob = container.getBlockBlobClient(name);
  const abortSignal = o.signal;
  try {
    const { etag } = await blob.commitBlockList([], {
      abortSignal,
      metadata: { [discardMark]: 'yes' },
      conditions: { ifNoneMatch: '*' },
    });
    await blob.delete({ abortSignal, conditions: { ifMatch: etag ?? '' } });
  } catch (error) {
    // Somebody wrote the object meanwhile, and so dropped the blocks.
    if (!isConflict(error) && !isMissing(error)) throw error;
  }
}

/**
 * Which version of such a mark stands in a writer's way: one that could not be deleted, or was not yet. Undefined when
 * it is an object, or nothing.
 */
export async function discardedEtag(
  session: AzureSession,
  name: string,
  o: Sig,
): Promise<string | undefined> {
  try {
    const { metadata, etag } = await session.run(o, (container) =>
      container.getBlobClient(name).getProperties({ abortSignal: o.signal }),
    );
    return isDiscarded(metadata) ? etag : undefined;
  } catch (error) {
    if (isMissing(error) || isRefusal(error)) return undefined;
    throw error;
  }
}

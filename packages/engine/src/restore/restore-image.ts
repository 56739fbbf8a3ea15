import { HoldfastError, RowDigest, type Sig } from '@holdfast/core';
import type { RestoreTools } from '../api.ts';
import type { FoundBackup } from '../catalog/chain.ts';
import { readSchema } from '../catalog/show.ts';
import { blamingDamage } from '../read/blaming-damage.ts';
import { openChunk } from '../read/open-chunk.ts';
import { changeParts, referencesOf, type StoredChunkRef } from './content.ts';
import { countingLines } from './fold.ts';
import type { Plan } from './plan.ts';

/**
 * Restores a chain that begins with a snapshot: its image as it is, then each incremental in place, in order: its
 * changes, what it voids, its schema, its chunks.
 */
export async function restoreImage(
  plan: Plan,
  tools: RestoreTools,
  o: Sig,
): Promise<{ sent: Map<string, { rows: number; digest: string }>; resumed: number }> {
  const { target, point } = plan;
  const [full, ...incrementals] = point.backups;
  if (!full || !target.loadImage)
    throw new HoldfastError('unsupported', `${target.description} cannot take a snapshot`, {
      hint: 'restore into the kind of database that the snapshot was made of',
    });
  const image = referencesOf(full).find(({ entry }) => entry.kind === 'image');
  if (!image) throw new HoldfastError('corrupt', 'the snapshot has no image');
  const { loadImage } = target;
  await blamingDamage(tools.destination, [image], o, () =>
    loadImage.call(target, imageBlocks(image, tools, o), o),
  );
  for (const incremental of incrementals) {
    const inside = point.insideMs !== undefined && incremental === point.backups.at(-1);
    await blamingDamage(tools.destination, referencesOf(incremental), o, () =>
      applyIncremental(incremental, inside ? point.insideMs : undefined, plan, tools, o),
    );
  }
  return { sent: new Map(), resumed: 0 };
}

async function* imageBlocks(
  image: StoredChunkRef,
  tools: RestoreTools,
  o: Sig,
): AsyncGenerator<Uint8Array, void, void> {
  await using chunk = await openChunk(tools.destination, image, new RowDigest(), o);
  yield* chunk.blocks;
}

async function applyIncremental(
  backup: FoundBackup,
  untilMs: number | undefined,
  { target }: Plan,
  tools: RestoreTools,
  o: Sig,
): Promise<void> {
  const { manifest } = backup;
  if (!target.applyOnImage)
    throw new HoldfastError('unsupported', `${target.description} cannot go on from a snapshot`);
  const references = referencesOf(backup);
  const parts = changeParts(backup);
  if (parts.length > 0) {
    const rows = new RowDigest();
    const lines = countingLines(tools.destination, { parts, void: [], untilMs }, { ...o, rows });
    await target.applyOnImage({ kind: 'changes', lines }, o);
  }
  if (untilMs !== undefined) return;
  for (const path of [...manifest.replaced, ...manifest.dropped])
    await target.applyOnImage({ kind: 'clear', path }, o);
  if (references.some(({ entry }) => entry.kind === 'schema'))
    await target.applyOnImage(
      { kind: 'schema', schema: await readSchema(tools.destination, [backup], o) },
      o,
    );
  for (const reference of references) {
    if (reference.entry.kind !== 'rows') continue;
    await using chunk = await openChunk(tools.destination, reference, new RowDigest(), o);
    await target.applyOnImage({ kind: 'rows', header: chunk.header, blocks: chunk.blocks }, o);
  }
}

import { type Destination, HoldfastError, isUnder, type RowDigest, type Sig } from '@holdfast/core';
import { blamingDamage } from '../read/blaming-damage.ts';
import { linesOf } from '../read/lines.ts';
import { openChunk } from '../read/open-chunk.ts';
import type { ChangesRef } from './content.ts';
import type { Overlay, OverlayRelation } from './overlay.ts';
import { splitArray } from './tokens.ts';

/** `rows`: whose memory is used, for one chunk after another. */
export type FoldOptions = Sig & { readonly rows: RowDigest };

/** Lines of one incremental's changes, all parts in order. */
async function* changeLines(
  destination: Destination,
  changes: ChangesRef,
  o: FoldOptions,
): AsyncGenerator<string, void, void> {
  for (const part of changes.parts) {
    await using chunk = await openChunk(destination, part, o.rows, o);
    yield* linesOf(chunk.blocks);
  }
}

/**
 * How many lines there are up to the last commit that counts. Transactions count in the order of their commits, up to
 * the first one that was committed after the moment: so what is restored is a state that the source was in.
 */
async function linesUntil(destination: Destination, changes: ChangesRef, o: FoldOptions): Promise<number> {
  const { untilMs } = changes;
  if (untilMs === undefined) return Number.POSITIVE_INFINITY;
  let line = 0;
  let end = 0;
  let reached = false;
  for await (const text of changeLines(destination, changes, o)) {
    // On to the last line: only what was read to its end is proved to be what was stored.
    line++;
    if (reached || !text.startsWith('["commit"')) continue;
    reached = Number(splitArray(text).elements[2]) > untilMs;
    if (!reached) end = line;
  }
  return end;
}

/** Yields the lines of changes that count at the point. */
export async function* countingLines(
  destination: Destination,
  changes: ChangesRef,
  o: FoldOptions,
): AsyncGenerator<string, void, void> {
  const end = await linesUntil(destination, changes, o);
  let line = 0;
  for await (const text of changeLines(destination, changes, o)) {
    if (++line > end) return;
    yield text;
  }
}

/** Folds one incremental's changes into the overlay. */
export async function fold(
  overlay: Overlay,
  destination: Destination,
  changes: ChangesRef,
  o: FoldOptions & { readonly wanted: (path: string) => boolean; readonly progress: (lines: number) => void },
): Promise<void> {
  const relations = new Map<string, OverlayRelation | undefined>();
  let lines = 0;
  await blamingDamage(destination, changes.parts, o, async () => {
    for await (const text of countingLines(destination, changes, o)) {
      apply(text, relations, (path, columns, key) =>
        !o.wanted(path) || changes.void.some((gone) => isUnder(path, gone))
          ? undefined
          : overlay.relation(path, columns, key),
      );
      if (++lines % 4096 === 0) {
        o.signal.throwIfAborted();
        o.progress(4096);
      }
    }
  });
}

function apply(
  text: string,
  relations: Map<string, OverlayRelation | undefined>,
  declare: (path: string, columns: readonly string[], key: readonly string[]) => OverlayRelation | undefined,
): void {
  const { elements } = splitArray(text);
  const [verb = '', number = '', third = '', fourth = ''] = elements;
  if (verb === '"begin"' || verb === '"commit"') return;
  if (verb === '"relation"') {
    const [, , path, columns, key] = JSON.parse(text) as [string, number, string, string[], string[]];
    relations.set(number, declare(path, columns, key));
    return;
  }
  if (!relations.has(number))
    throw new HoldfastError('corrupt', `a change names relation ${number}, which was not declared`);
  const relation = relations.get(number);
  if (!relation) return;
  if (verb === '"insert"') relation.insert(splitArray(third).elements);
  else if (verb === '"update"')
    relation.update(third === 'null' ? null : splitArray(third).elements, splitArray(fourth).elements);
  else if (verb === '"delete"') relation.delete(splitArray(third).elements);
  else if (verb === '"truncate"') relation.truncate();
  else throw new HoldfastError('corrupt', `unknown kind of change ${verb}`);
}

import type { TaskType } from '@holdfast/core';
import { type Content, changeParts, referencesOf, type StoredChunkRef } from '../restore/content.ts';
import type { Point } from '../restore/resolve-point.ts';

/** A stored segment that a restore reads. */
export interface ReadSegment {
  /** Of its object. */
  readonly key: string;
  readonly bytes: number;
  /** Whether it is, only the place can tell. */
  readonly mayBeCold: boolean;
}

/** The segments that a restore to this point reads any of, each once. Pure. */
export function segmentsRead(point: Point, content: Content, type: TaskType): ReadSegment[] {
  const { objects, cold } = point.chain;
  const found = new Map<string, ReadSegment>();
  for (const { object } of type === 'snapshot' ? onImage(point, content) : folded(content)) {
    if (found.has(object)) continue;
    const name = object.slice(object.lastIndexOf('/') + 1);
    found.set(object, { key: object, bytes: objects.get(name) ?? 0, mayBeCold: cold?.has(name) ?? false });
  }
  return [...found.values()];
}

function folded(content: Content): StoredChunkRef[] {
  return [
    ...(content.schema ? [content.schema] : []),
    ...[...content.relations.values()].flatMap(({ chunks }) => chunks),
    ...content.changes.flatMap(({ parts }) => parts),
    ...content.special,
  ];
}

/** What `restoreImage` reads: on top of an image every incremental is applied whole, nothing is left out. */
function onImage({ backups, insideMs }: Point, content: Content): StoredChunkRef[] {
  const [full, ...incrementals] = backups;
  const last = backups.at(-1);
  return [
    ...(content.schema ? [content.schema] : []),
    ...(full ? referencesOf(full).filter(({ entry }) => entry.kind === 'image') : []),
    ...incrementals.flatMap((found) =>
      insideMs !== undefined && found === last
        ? changeParts(found)
        : referencesOf(found).filter(({ entry }) => ['changes', 'schema', 'rows'].includes(entry.kind)),
    ),
  ];
}

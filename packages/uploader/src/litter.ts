import { type Destination, HoldfastError, type Observer, parseBackupFile, type Sig } from '@holdfast/core';
import type { Journal } from './journal.ts';
import type { RunFolder } from './run-folder.ts';

export interface CollectOptions extends Sig {
  readonly destinations: readonly Destination[];
  readonly journal: Journal;
  readonly folder: RunFolder;
  readonly observer: Observer;
}

/**
 * Removes what a run without a backup has left: its objects at the destinations, then its folder. What cannot be
 * deleted now stays in the journal, for the next run of the task, and is told.
 */
export async function collectLitter(o: CollectOptions): Promise<void> {
  const { run } = o.folder.record;
  // A crash in the middle of this must not resume a run of which objects are gone.
  await o.folder.breakSeal();
  let clean = true;
  for (const description of o.folder.record.destinations) {
    const destination = o.destinations.find((one) => one.description === description);
    try {
      if (o.journal.litterAt(description).length === 0) continue;
      if (!destination)
        throw new HoldfastError('not_found', `${description} is not a destination of the task any more`);
      await collectAt(destination, o);
    } catch (error) {
      clean = false;
      const { reason } = HoldfastError.from(error);
      const left = o.journal.litterAt(description).map(({ key }) => key);
      o.observer({
        kind: 'notice',
        text: `objects of a run that failed (${run.task}/${run.chain}, ${run.sequence}) stay at ${description} until the next run: ${left.join(', ')}: ${reason}`,
      });
    }
  }
  if (clean) await o.folder.remove();
  else await o.folder.removeContent();
}

async function collectAt(destination: Destination, o: CollectOptions): Promise<void> {
  const { run } = o.folder.record;
  const { description } = destination;
  const lines = o.journal.litterAt(description);
  if (await hasBackup(destination, `${run.task}/${run.chain}/`, run.sequence, o)) {
    // A manifest names these objects: they are no litter, whoever wrote them.
    for (const line of lines) await o.journal.note(description, line.key, line, 'gone');
    return;
  }
  for (const line of lines) {
    const info = await destination.stat(line.key, o);
    // Of another size it is not what this run sent: an object is whole or not there.
    if (info?.bytes === line.bytes) await destination.delete(line.key, o);
    await o.journal.note(description, line.key, line, info && info.bytes !== line.bytes ? 'foreign' : 'gone');
  }
}

/** Whether a manifest of this number is there, of either scope. */
async function hasBackup(
  destination: Destination,
  prefix: string,
  sequence: number,
  o: Sig,
): Promise<boolean> {
  for await (const { key } of destination.list(prefix, { signal: o.signal })) {
    const file = parseBackupFile(key.slice(prefix.length));
    if (file?.sequence === sequence && file.segment === undefined) return true;
  }
  return false;
}

import type { Sig } from '@holdfast/core';
import type { ShownBackup, TaskListing } from '@holdfast/engine';
import { openDestination } from './open.ts';

export interface BackupSelection {
  readonly task?: string;
  /** `chain/sequence`, or a chain: its newest. Undefined: the newest of the task. */
  readonly backup?: string;
}

/** The backups at one destination, for reading. */
export interface Backups extends AsyncDisposable {
  /** The destination, as a person may see it. */
  readonly description: string;
  list(o: Sig): Promise<readonly TaskListing[]>;
  show(selection: BackupSelection, o: Sig): Promise<ShownBackup>;
}

export async function openBackups(url: string, o: Sig): Promise<Backups> {
  const { listTasks, showBackup } = await import('@holdfast/engine');
  const destination = await openDestination(url, o);
  return {
    description: destination.description,
    list: (listing) => listTasks(destination, listing),
    show: (selection, showing) => showBackup(destination, selection, showing),
    [Symbol.asyncDispose]: () => destination[Symbol.asyncDispose](),
  };
}

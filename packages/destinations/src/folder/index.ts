import { type Clock, type DestinationDriver, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { FolderDestination } from './folder-destination.ts';
import { parseFolderUrl } from './url.ts';

export { FolderDestination, type FolderOptions } from './folder-destination.ts';
export { type FolderLocation, parseFolderUrl } from './url.ts';

export interface OpenFolder extends Sig {
  readonly clock?: Clock;
  /** `FolderDestination.repositoryId` as it was when this URL was last used; see `KnownDestinations`. */
  readonly expectedId?: string | undefined;
}

/** `file:./backups`, `file:/srv/backups?mount=required` */
export const folderDriver = {
  type: 'folder',
  schemes: ['file'],
  async open(url: string, o: OpenFolder): Promise<FolderDestination> {
    throwIfAborted(o.signal);
    const clock = o.clock ?? new SystemClock();
    return new FolderDestination({ ...parseFolderUrl(url), expectedId: o.expectedId, clock });
  },
} as const satisfies DestinationDriver;

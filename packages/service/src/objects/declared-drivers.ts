import type { DriverOptions } from './driver-options/driver-options.ts';
import { folderOptions } from './driver-options/folder.ts';
import { postgresOptions } from './driver-options/postgres.ts';
import { sqliteOptions } from './driver-options/sqlite.ts';

/** How a driver is declared. Apart from `drivers.ts`: commands and runs by URL load no tables of fields. */
export interface DeclaredDriver extends DriverOptions {
  readonly type: string;
}

export const declaredSources: readonly DeclaredDriver[] = [
  { type: 'postgres', ...postgresOptions },
  { type: 'sqlite', ...sqliteOptions },
];

export const declaredDestinations: readonly DeclaredDriver[] = [{ type: 'folder', ...folderOptions }];

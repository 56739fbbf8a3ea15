import { azureOptions } from './driver-options/azure.ts';
import type { DriverOptions } from './driver-options/driver-options.ts';
import { folderOptions } from './driver-options/folder.ts';
import { ftpOptions } from './driver-options/ftp.ts';
import { postgresOptions } from './driver-options/postgres.ts';
import { s3Options } from './driver-options/s3.ts';
import { sftpOptions } from './driver-options/sftp.ts';
import { sqliteOptions } from './driver-options/sqlite.ts';

/** How a driver is declared. Apart from `drivers.ts`: commands and runs by URL load no tables of fields. */
export interface DeclaredDriver extends DriverOptions {
  readonly type: string;
}

export const declaredSources: readonly DeclaredDriver[] = [
  { type: 'postgres', ...postgresOptions },
  { type: 'sqlite', ...sqliteOptions },
];

export const declaredDestinations: readonly DeclaredDriver[] = [
  { type: 'folder', ...folderOptions },
  { type: 's3', ...s3Options },
  { type: 'azure', ...azureOptions },
  { type: 'sftp', ...sftpOptions },
  { type: 'ftp', ...ftpOptions },
];

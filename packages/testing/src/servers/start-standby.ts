import { join } from 'node:path';
import type { PostgresServer, PostgresSettings } from './postgres-server.ts';
import { runProgram } from './run-program.ts';
import { serverFolder } from './server-account.ts';
import { startOnFreePort } from './start-postgres.ts';

export interface StandbyOptions {
  /** A physical replication slot to create on the primary and to stream from; without one, none is used. */
  readonly slot?: string;
  /** Over the settings that come with the copy of the primary's files. */
  readonly settings?: PostgresSettings;
  readonly readyMsMax?: number;
}

/** Starts a streaming copy of `primary`: readable at once, a primary of its own after `promote()`. */
export async function startStandby(
  primary: PostgresServer,
  options: StandbyOptions = {},
): Promise<PostgresServer> {
  const { installation, account } = primary;
  const folder = await serverFolder('holdfast-pg', account);
  const dataFolder = join(folder, 'data');
  const slot = options.slot === undefined ? [] : ['--create-slot', '--slot', options.slot];
  const where = ['--pgdata', dataFolder, '--dbname', primary.url()];
  const how = ['--wal-method=stream', '--checkpoint=fast', '--no-sync', '--write-recovery-conf', ...slot];
  await runProgram(join(installation.binFolder, 'pg_basebackup'), [...where, ...how], { account, folder });
  return await startOnFreePort({
    installation,
    account,
    folder,
    dataFolder,
    settings: options.settings ?? {},
    readyMsMax: options.readyMsMax ?? 60_000,
  });
}

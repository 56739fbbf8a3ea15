export { freePort } from './servers/free-port.ts';
export { findPostgres, newestPostgres, type PostgresInstallation } from './servers/postgres-installation.ts';
export { PostgresServer, type PostgresSettings, type PostgresStopMode } from './servers/postgres-server.ts';
export { quoteName, quoteText, runPsql } from './servers/run-psql.ts';
export { type PostgresOptions, startPostgres, testSettings } from './servers/start-postgres.ts';
export { type StandbyOptions, startStandby } from './servers/start-standby.ts';
export { type TemporaryDatabase, temporaryDatabase } from './servers/temporary-database.ts';
export { type TemporaryFolder, temporaryFolder } from './servers/temporary-folder.ts';

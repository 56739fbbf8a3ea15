import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';

const run = promisify(execFile);

/**
 * PostgreSQL's own way to any moment: a physical copy and the archived log, replayed up to a position or a time. It
 * shares nothing with Holdfast, so what it says is what the source's state was.
 */
export class PhysicalHistory implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #source: PostgresServer;

  private constructor(folder: TemporaryFolder, source: PostgresServer) {
    this.#folder = folder;
    this.#source = source;
  }

  /** A folder for the log, to be named in the source's settings before it starts. */
  static async archive(): Promise<{ folder: TemporaryFolder; settings: Record<string, string> }> {
    const folder = await temporaryFolder('history');
    await chmod(folder.path, 0o777);
    const log = join(folder.path, 'log');
    await mkdir(log);
    await chmod(log, 0o777);
    return { folder, settings: { archive_mode: 'on', archive_command: `cp %p ${log}/%f` } };
  }

  static async begin(source: PostgresServer, folder: TemporaryFolder): Promise<PhysicalHistory> {
    const program = join(source.installation.binFolder, 'pg_basebackup');
    await run(program, [
      '-D',
      join(folder.path, 'base'),
      '-d',
      source.url(),
      '-X',
      'none',
      '-c',
      'fast',
      '--no-sync',
    ]);
    return new PhysicalHistory(folder, source);
  }

  /** The source as it was just before the record at this position, or after the last commit up to this time. */
  async at(target: { readonly position: string } | { readonly timeMs: number }): Promise<PostgresServer> {
    // The log up to here must be in the archive, and something after it, so that the target is passed.
    await this.#source.psql(
      'postgres',
      'CREATE TABLE IF NOT EXISTS history_mark (); DROP TABLE history_mark',
    );
    await this.#source.psql('postgres', 'SELECT pg_switch_wal()');
    await this.#archived();
    const dataFolder = join(
      this.#folder.path,
      `at-${'position' in target ? target.position.replace('/', '-') : target.timeMs}`,
    );
    await cp(join(this.#folder.path, 'base'), dataFolder, { recursive: true });
    await writeFile(join(dataFolder, 'recovery.signal'), '');
    const { uid, gid } = this.#source.account;
    if (uid !== undefined && gid !== undefined) await chown(join(dataFolder, 'recovery.signal'), uid, gid);
    return startPostgres({
      dataFolder,
      settings: {
        archive_mode: 'off',
        restore_command: `cp ${join(this.#folder.path, 'log')}/%f %p`,
        recovery_target_action: 'promote',
        // Nobody is let in before the target is reached: what one would see then is some earlier state.
        hot_standby: 'off',
        ...('position' in target
          ? { recovery_target_lsn: target.position, recovery_target_inclusive: 'off' }
          : {
              recovery_target_time: new Date(target.timeMs)
                .toISOString()
                .replace('T', ' ')
                .replace('Z', '+00'),
            }),
      },
    });
  }

  async #archived(): Promise<void> {
    const last = await this.#source.psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn() - 1)');
    for (let tries = 0; tries < 500; tries++) {
      const done = await this.#source.psql(
        'postgres',
        `SELECT coalesce(last_archived_wal, '') >= '${last}' FROM pg_stat_archiver`,
      );
      if (done.trim() === 't') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`the log was not archived up to ${last}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresInstallation } from './postgres-installation.ts';
import { runProgram } from './run-program.ts';
import { quoteName, quoteText, runPsql } from './run-psql.ts';
import type { ServerAccount } from './server-account.ts';
import { ServerProcess } from './server-process.ts';

/** Server settings by name, as in postgresql.conf. */
export type PostgresSettings = Readonly<Record<string, string | number | boolean>>;

/**
 * How to stop: `fast` ends sessions and writes a checkpoint (SIGINT); `immediate` leaves the rest to crash recovery
 * (SIGQUIT); `kill` is kill -9, the server's sudden death.
 */
export type PostgresStopMode = 'fast' | 'immediate' | 'kill';

const signals = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

const takeOverMsMax = 10_000;
const replayMsMax = 60_000;

export interface PostgresServerParts {
  readonly installation: PostgresInstallation;
  readonly account: ServerAccount;
  /** Everything of this server lies in here, and is removed with it. */
  readonly folder: string;
  readonly dataFolder: string;
  readonly port: number;
  /** Given on the command line, so that they win over the files of the data folder. */
  readonly settings: PostgresSettings;
  readonly readyMsMax: number;
}

/**
 * A private PostgreSQL on 127.0.0.1 and a unix socket, made by `startPostgres` or `startStandby`. It ends with this
 * process, whatever ends that. `await using` stops it and removes its folder.
 */
export class PostgresServer implements AsyncDisposable {
  readonly #parts: PostgresServerParts;
  readonly #passwords = new Map<string, string>();
  #process: ServerProcess | undefined;

  constructor(parts: PostgresServerParts) {
    this.#parts = parts;
  }

  get installation(): PostgresInstallation {
    return this.#parts.installation;
  }

  get port(): number {
    return this.#parts.port;
  }

  get dataFolder(): string {
    return this.#parts.dataFolder;
  }

  /** What to give as `host` to connect through the unix socket. */
  get socketFolder(): string {
    return this.#parts.folder;
  }

  /** The user that owns the server's files and process. */
  get account(): ServerAccount {
    return this.#parts.account;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  /** The process id of the postmaster, for tests that send it signals of their own (SIGSTOP); 0 before the start. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Connection URL over TCP; carries the password when `requirePassword` was called for the user. */
  url(database = 'postgres', user = 'postgres'): string {
    const password = this.#passwords.get(user);
    const who = encodeURIComponent(user) + (password === undefined ? '' : `:${encodeURIComponent(password)}`);
    return `postgres://${who}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  /**
   * Starts the server, on the same data folder and port after a stop. Waits until it accepts connections; after a kill
   * that includes crash recovery and the end of the old server's children.
   */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error('this PostgreSQL is running already');
    const deadline = performance.now() + takeOverMsMax;
    for (;;) {
      try {
        return await this.#startOnce();
      } catch (error) {
        const takingOver = /is still in use|lock file .* already exists/.test(String(error));
        if (!takingOver || performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  async #startOnce(): Promise<void> {
    const { installation, account, folder, dataFolder, port, settings, readyMsMax } = this.#parts;
    const all = { ...settings, port, listen_addresses: '127.0.0.1', unix_socket_directories: folder };
    this.#process = await ServerProcess.spawn({
      file: join(installation.binFolder, 'postgres'),
      args: ['-D', dataFolder, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      folder,
      logFile: join(folder, 'server.log'),
      account,
    });
    await this.#process.untilReady(() => this.#accepts(), readyMsMax);
  }

  async #accepts(): Promise<boolean> {
    const program = join(this.installation.binFolder, 'pg_isready');
    return await runProgram(program, ['-q', '-h', '127.0.0.1', '-p', String(this.port)]).then(
      () => true,
      () => false,
    );
  }

  /** Stops and waits for the end; nothing happens when it is stopped already. */
  async stop(mode: PostgresStopMode = 'fast'): Promise<void> {
    await this.#process?.stop(signals[mode]);
  }

  /** Removes all files of a stopped server; a running one is stopped first. */
  async remove(): Promise<void> {
    await this.stop('immediate');
    await rm(this.#parts.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  /** Everything the server has printed since its first start. */
  async log(): Promise<string> {
    return await readFile(join(this.#parts.folder, 'server.log'), 'utf8');
  }

  /** Runs statements by psql as user postgres; see `runPsql` for the form of the answer. */
  async psql(database: string, sql: string): Promise<string> {
    return await runPsql(this.url(database), sql, this.installation.binFolder);
  }

  /** Creates an empty database and returns its name. */
  async createDatabase(name = `test_${randomBytes(6).toString('hex')}`): Promise<string> {
    await this.psql('postgres', `CREATE DATABASE ${quoteName(name)}`);
    return name;
  }

  /**
   * Lets `user` in by password (SCRAM) only, over TCP and the socket, from the next connection on. The role is created
   * when it is missing; `attributes` are those of ALTER ROLE, such as `REPLICATION` or `SUPERUSER`.
   */
  async requirePassword(user: string, password: string, attributes = ''): Promise<void> {
    const name = quoteName(user);
    const known = await this.psql('postgres', `SELECT 1 FROM pg_roles WHERE rolname = ${quoteText(user)}`);
    const create = known === '' ? `CREATE ROLE ${name}; ` : '';
    const scram = `SET password_encryption = 'scram-sha-256'; `;
    const alter = `ALTER ROLE ${name} LOGIN ${attributes} PASSWORD ${quoteText(password)}`;
    await this.psql('postgres', create + scram + alter);
    await this.addAccessRules([
      `local all,replication ${name} scram-sha-256`,
      `host all,replication ${name} 127.0.0.1/32 scram-sha-256`,
    ]);
    this.#passwords.set(user, password);
  }

  /** Puts lines of pg_hba.conf before those that are there (the first that matches counts) and loads them. */
  async addAccessRules(lines: readonly string[]): Promise<void> {
    const file = join(this.dataFolder, 'pg_hba.conf');
    // In place: the file keeps its owner, which a new one would take from us.
    await writeFile(file, `${lines.join('\n')}\n${await readFile(file, 'utf8')}`);
    if (this.isRunning) await this.reload();
  }

  /** Makes the server read its files again; when this returns, new connections follow them. */
  async reload(): Promise<void> {
    const loadedAt = () => this.psql('postgres', 'SELECT pg_conf_load_time()');
    const before = await loadedAt();
    this.#process?.signal('SIGHUP');
    const deadline = performance.now() + takeOverMsMax;
    while ((await loadedAt()) === before) {
      if (performance.now() > deadline) throw new Error('PostgreSQL did not load its files again in time');
    }
  }

  /** Ends recovery: a standby becomes a primary, on a new timeline. Returns when it takes writes. */
  async promote(): Promise<void> {
    const promoted = await this.psql('postgres', 'SELECT pg_promote(true, 60)');
    if (promoted !== 't')
      throw new Error(`PostgreSQL was not promoted:\n${(await this.log()).slice(-2_000)}`);
  }

  /** Waits until this standby has replayed all that `primary` has written up to now. */
  async catchUp(primary: PostgresServer): Promise<void> {
    const target = await primary.psql('postgres', 'SELECT pg_current_wal_lsn()');
    const deadline = performance.now() + replayMsMax;
    const replayed = `SELECT pg_last_wal_replay_lsn() >= '${target}'`;
    while ((await this.psql('postgres', replayed)) !== 't') {
      if (performance.now() > deadline) throw new Error(`the standby did not replay up to ${target} in time`);
      await sleep(20);
    }
  }
}

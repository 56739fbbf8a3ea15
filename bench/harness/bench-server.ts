import { join } from 'node:path';
import { type PostgresServer, quoteName, quoteText } from '@holdfast/testing';
import { runCommand } from './command.ts';
import type { RoundsOptions } from './rounds.ts';
import type { SuiteOptions } from './suite.ts';

/** `mixed`: pgbench rows, text with JSON, and digests; `pgbench`: pgbench rows alone, which are mostly blanks. */
export type DataKind = 'mixed' | 'pgbench';

/** What a kept data folder holds, beside it as a file. */
export interface DataFacts {
  readonly version: number;
  readonly tables: Readonly<Record<string, number>>;
  /** As COPY prints all tables. */
  readonly textBytes: number;
}

/** A running server with one database of data; beside it come and go the databases of a measurement. */
export class BenchServer implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly facts: DataFacts;
  readonly database: DataKind;

  constructor(server: PostgresServer, facts: DataFacts, database: DataKind) {
    this.#server = server;
    this.facts = facts;
    this.database = database;
  }

  get version(): string {
    return this.#server.installation.version;
  }

  get rows(): number {
    return Object.values(this.facts.tables).reduce((sum, each) => sum + each, 0);
  }

  /** What its reports are headed with. */
  get description(): string {
    return `PostgreSQL ${this.version}, database ${this.database}: ${(this.facts.textBytes / 1e9).toFixed(2)} GB of COPY text, ${this.rows} rows`;
  }

  url(database: string): string {
    const { socketFolder, port } = this.#server;
    return `postgres://postgres@/${database}?host=${encodeURIComponent(socketFolder)}&port=${port}`;
  }

  program(name: string): string {
    return join(this.#server.installation.binFolder, name);
  }

  /** Runs one of PostgreSQL's own programs on this server. */
  async tool(name: string, args: readonly string[], input?: Iterable<string>): Promise<string> {
    const { socketFolder, port } = this.#server;
    const where = ['-h', socketFolder, '-p', String(port), '-U', 'postgres'];
    return await runCommand(this.program(name), [...where, ...args], input === undefined ? {} : { input });
  }

  async sql(database: string, statements: string): Promise<string> {
    const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', database, '-f', '-'];
    return (await this.tool('psql', args, [statements])).trimEnd();
  }

  /** How rounds go on this server: no tool pays for what was written before it. */
  rounds({ workspace, rounds, log }: SuiteOptions): RoundsOptions {
    const settle = async () => {
      await this.checkpoint();
      await workspace.settle();
    };
    return { rounds, log, settle, servers: [this.#server.pid] };
  }

  async checkpoint(): Promise<void> {
    await this.sql('postgres', 'CHECKPOINT');
  }

  async drop(database: string): Promise<void> {
    await this.sql(
      'postgres',
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = ${quoteText(database)} AND NOT active;
       DROP DATABASE IF EXISTS ${quoteName(database)} WITH (FORCE)`,
    );
  }

  /** A copy of the data that a measurement may change. */
  async copy(database: string): Promise<void> {
    await this.drop(database);
    const strategy = this.#server.installation.major >= 15 ? ' STRATEGY file_copy' : '';
    await this.sql('postgres', `CREATE DATABASE ${quoteName(database)} TEMPLATE ${this.database}${strategy}`);
  }

  /** Fails unless a database has as many rows in each table as the data. */
  async checkCounts(database: string): Promise<void> {
    const found = await countRows(this, database, Object.keys(this.facts.tables));
    for (const [table, rows] of Object.entries(this.facts.tables)) {
      if (found[table] !== rows)
        throw new Error(`${database}.${table} has ${found[table]} rows instead of ${rows}`);
    }
  }

  /** One line for each table: what its rows are, in whatever order. Two databases with the same lines are the same. */
  async fingerprint(database: string): Promise<string> {
    const lines: string[] = [];
    for (const table of Object.keys(this.facts.tables)) {
      const sum = 'sum(hashtextextended(t::text, 0)::numeric)';
      lines.push(`${table} ${await this.sql(database, `SELECT count(*), ${sum} FROM ${table} t`)}`);
    }
    return lines.join('\n');
  }

  /** Removes all that a measurement, or one that was killed, has left. */
  async clean(): Promise<void> {
    const rest = `SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', ${quoteText(this.database)})`;
    for (const name of (await this.sql('postgres', rest)).split('\n')) if (name !== '') await this.drop(name);
    await this.sql('postgres', 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In good order, so that the next start has nothing to recover.
    await this.#server.stop('fast');
    await this.#server.remove();
  }
}

/** The rows of each of the tables. */
export async function countRows(
  server: BenchServer,
  database: string,
  tables: readonly string[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of tables) {
    counts[table] = Number(await server.sql(database, `SELECT count(*) FROM ${table}`));
  }
  return counts;
}

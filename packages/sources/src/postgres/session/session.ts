import type { Duplex } from 'node:stream';
import { HoldfastError } from '@holdfast/core';
import pg from 'pg';
import { sendCancel } from './cancel.ts';
import { ConnectionLost, fromAbort, translate } from './errors.ts';
import { findServer, type OpenAt } from './find-server.ts';
import { isSameServer, type Member, memberQuery, misfit, wrongRole } from './member.ts';
import { passwordFor } from './pgpass.ts';
import { describeHost, type Host, type Target } from './url.ts';
import { Wire } from './wire.ts';

export interface OpenSession {
  /** Ends the session whenever it aborts: what runs is cancelled at the server, then the connection is closed. */
  readonly signal: AbortSignal;
  /** `database`: logical replication commands besides SQL. `physical`: replication commands only, no SQL. */
  readonly replication?: 'database' | 'physical';
  /** In place of the target's database. */
  readonly database?: string;
  /** How long a statement waits for a lock, default 30 s. */
  readonly lockTimeoutMs?: number;
}

/**
 * A session at the first of the target's hosts that fits.
 * @throws HoldfastError unauthenticated, unavailable, not_found, exhausted, cancelled …; precondition_failed for a server
 * in another role, or two primaries
 */
export function openSession(target: Target, o: OpenSession): Promise<Session> {
  return findServer(target, o, (host, asked) => openAt(target, host, { ...o, ...asked }));
}

async function openAt(target: Target, host: Host, o: OpenSession & OpenAt): Promise<Session> {
  const database = o.database ?? target.database;
  const context = { what: 'connecting', where: `${describeHost(host)}/${database}` };
  let wire: Wire | undefined;
  try {
    wire = await Wire.open({ ...target, connectTimeoutMs: o.connectTimeoutMs }, host, o.signal);
    const password = await passwordFor({ ...target, database }, host);
    const client = new pg.Client({
      stream: wire as unknown as Duplex,
      user: target.user,
      // A function keeps pg from looking for a password itself.
      password: () => password?.reveal() ?? '',
      database,
      application_name: target.applicationName,
      ssl: false,
      types: { getTypeParser },
      ...(o.replication ? { replication: o.replication === 'physical' ? 'true' : 'database' } : {}),
    } as unknown as pg.ClientConfig);
    const session = new Session(target, database, wire, client);
    await session.begin(o);
    return session;
  } catch (caught) {
    wire?.destroy();
    if (o.signal.aborted) throw fromAbort(o.signal);
    const error = translate(caught, context);
    // A server that breaks off before the session stands was not reached, whatever broke.
    if (error.code !== 'source_failed') throw error;
    throw new HoldfastError('unavailable', error.reason, { hint: error.hint, cause: caught });
  }
}

/** Where the session is, and nowhere else: other servers do not know its snapshot, and their rows are not its rows. */
export function pinnedTo(session: Session): Target {
  const { system, startedAt } = session.member;
  return { ...session.target, ...whereOf(session), server: { system, startedAt } };
}

/** The session's host, even after that was started again: a restore's journal outlives the server's sessions. */
export function staysAt(session: Session): Target {
  return { ...session.target, ...whereOf(session), server: { system: session.member.system } };
}

function whereOf({ wire, database }: Session): Pick<Target, 'hosts' | 'role' | 'database'> {
  const { address } = wire;
  // A name may lead to several servers, and to another one with each look-up.
  return { hosts: [{ ...wire.host, ...(address === undefined ? {} : { address }) }], role: 'any', database };
}

/** Dates and times stay the text that the server printed: a JavaScript Date would lose digits. */
const keptAsText = new Set([1082, 1083, 1114, 1115, 1182, 1184, 1185, 1186, 1187, 1266]);
const asText = (text: string): string => text;
function getTypeParser(oid: number, format?: string): (text: string) => unknown {
  if (keptAsText.has(oid)) return asText;
  return (pg.types.getTypeParser as (oid: number, format?: string) => (text: string) => unknown)(oid, format);
}

export interface Result<T> {
  readonly rows: readonly T[];
  /** Rows touched, as the server counts them. */
  readonly count: number;
}

/**
 * One connection, one statement at a time: whoever asks next waits. It prints and reads values in one form, whatever
 * the database's or the role's settings are, so that what is read here and what a restore loads is the same text.
 */
export class Session implements AsyncDisposable {
  readonly target: Target;
  readonly database: string;
  /** Host and database, for errors. */
  readonly where: string;
  readonly wire: Wire;
  readonly #client: pg.Client;
  #version = 0;
  #member: Member | undefined;
  #turn: Promise<void> = Promise.resolve();
  #lost: Error | undefined;
  #ending = false;
  #signal: AbortSignal = new AbortController().signal;
  #closed: Promise<void>;

  constructor(target: Target, database: string, wire: Wire, client: pg.Client) {
    this.target = target;
    this.database = database;
    this.where = `${describeHost(wire.host)}/${database}`;
    this.wire = wire;
    this.#client = client;
    // Without a listener an idle connection's end would be an uncaught exception.
    client.on('error', (error) => {
      this.#lost ??= error;
    });
    this.#closed = new Promise((resolve) => wire.once('close', resolve));
    wire.once('close', () => {
      this.#lost ??= wire.failure ?? new ConnectionLost('the server closed the connection');
    });
  }

  /** As a number: 150018 is 15.18. */
  get version(): number {
    return this.#version;
  }

  /** What the server was when the session began. */
  get member(): Member {
    if (this.#member) return this.#member;
    throw new HoldfastError('internal', `the session at ${this.where} has not asked what server it is at`);
  }

  /** The server's process that serves this session. */
  get processId(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Called by `openSession` only: logs in, makes the settings, looks whether the server has the wanted role. */
  async begin(o: OpenSession & OpenAt): Promise<void> {
    const stop = (): void => void this.cancel();
    o.signal.addEventListener('abort', stop, { once: true });
    this.wire.once('close', () => o.signal.removeEventListener('abort', stop));
    this.#signal = o.signal;
    await this.wire.whileAnswering(o, () => this.#client.connect());
    if (o.replication === 'physical') return;
    const { target, where } = this;
    const query = `SELECT m.*, pg_catalog.current_setting('server_version_num') AS version FROM (${memberQuery}) m`;
    const [row] = await this.wire.whileAnswering(o, () =>
      this.rows<Member & { version: string }>(query, undefined, 'asking what server it is'),
    );
    if (!row) throw new HoldfastError('internal', 'a query without a table has one row');
    const { version, ...member } = row;
    this.#version = Number(version);
    this.#member = member;
    if (target.server && !isSameServer(target.server, member)) {
      throw new HoldfastError('source_failed', `${where} is not the server any more at which this began`, {
        hint: 'there was a failover or a restart, or a proxy leads to several servers: run it again',
      });
    }
    const unfit = misfit(o.role, member);
    if (unfit !== undefined) throw wrongRole(where, unfit, o.role);
    await this.exec(settings(this.#version, o.lockTimeoutMs ?? 30_000));
  }

  /** One statement; with values by the extended protocol, which a replication session does not speak. */
  async query<T = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
    what = 'a query',
  ): Promise<Result<T>> {
    return this.exclusively(what, async () => {
      const result = await this.#client.query(values ? { text: sql, values: [...values] } : sql);
      return { rows: result.rows as T[], count: result.rowCount ?? 0 };
    });
  }

  async rows<T = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
    what?: string,
  ): Promise<readonly T[]> {
    return (await this.query<T>(sql, values, what)).rows;
  }

  /** Any number of statements in one message, in one implicit transaction unless they say otherwise. */
  async exec(sql: string, what = 'a command'): Promise<void> {
    await this.exclusively(what, () => this.#client.query(sql));
  }

  /** Runs `work` when the connection is idle, and keeps it to itself meanwhile. Errors are translated. */
  async exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire();
    try {
      this.throwIfLost();
      return await work();
    } catch (caught) {
      throw this.explain(caught, what);
    } finally {
      release();
    }
  }

  /** Waits until the connection is idle, and has it to itself until the returned function is called. */
  async acquire(): Promise<() => void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    return resolve;
  }

  /** A caught error in this session's words; the reason of the signal when that is what ended it. */
  explain(caught: unknown, what: string): HoldfastError {
    if (this.#signal.aborted) return fromAbort(this.#signal);
    return translate(caught, { what, where: this.where });
  }

  throwIfLost(): void {
    this.#signal.throwIfAborted();
    if (this.#ending)
      throw new HoldfastError('internal', `the session at ${this.where} is used after its end`);
    if (this.#lost) throw new ConnectionLost(`connection lost: ${this.#lost.message}`, { cause: this.#lost });
  }

  /** Whether the connection stands, as far as this side knows. */
  get alive(): boolean {
    return this.#lost === undefined && !this.#ending;
  }

  /** Stops what runs at the server, then closes the connection without ceremony. */
  async cancel(): Promise<void> {
    if (this.wire.destroyed) return;
    const { processID, secretKey } = this.#client as unknown as { processID: number; secretKey: number };
    if (processID) await sendCancel(this.wire.host, processID, secretKey);
    this.wire.destroy();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (!this.wire.destroyed) {
      const idle = this.#lost === undefined && !this.#signal.aborted;
      // Terminate tells the server at once; it needs no answer but the close.
      if (idle) void this.#client.end().catch(() => {});
      else this.wire.destroy();
    }
    await this.#closed;
  }
}

/**
 * The same for reading and restoring: what one prints the other must read to the same value.
 * - `TimeZone`, `DateStyle`, `IntervalStyle`, `lc_monetary` decide how times and money print: a restore into a server
 *   with other defaults would otherwise shift them;
 * - `extra_float_digits` 3 prints floats so that they read back to the same bits;
 * - `row_security` off: an error is wanted in place of rows that silently are not there;
 * - `search_path` empty: nobody's function or operator in `public` can stand in for one of PostgreSQL's own.
 */
function settings(version: number, lockTimeoutMs: number): string {
  const values: [string, string][] = [
    ['client_encoding', 'UTF8'],
    ['DateStyle', 'ISO, YMD'],
    ['IntervalStyle', 'postgres'],
    ['TimeZone', 'UTC'],
    ['lc_monetary', 'C'],
    ['extra_float_digits', '3'],
    ['bytea_output', 'hex'],
    ['xmloption', 'content'],
    ['standard_conforming_strings', 'on'],
    ['search_path', ''],
    ['row_security', 'off'],
    ['statement_timeout', '0'],
    ['lock_timeout', String(Math.round(lockTimeoutMs))],
    ['idle_in_transaction_session_timeout', '0'],
    ['jit', 'off'],
    ['max_parallel_workers_per_gather', '0'],
    ['synchronize_seqscans', 'off'],
  ];
  if (version >= 140_000) values.push(['idle_session_timeout', '0']);
  if (version >= 170_000) values.push(['transaction_timeout', '0']);
  return values.map(([name, value]) => `SET ${name} = '${value}'`).join(';');
}

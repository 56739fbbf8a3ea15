import { HoldfastError } from '@holdfast/core';
import { quoteIdentifier, quoteLiteral } from '../full/names.ts';
import { openSession, type Session, staysAt } from '../session/session.ts';
import { birthLimit, type Mark, readMark, writeMark } from './temporary-name.ts';

/** How CREATE DATABASE is asked for the locale of the source. */
export interface DatabaseLocale {
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  readonly provider: 'libc' | 'icu' | 'builtin';
  /** Of `icu` and `builtin`. */
  readonly locale?: string | undefined;
  readonly icuRules?: string | undefined;
}

export interface Leftover {
  readonly name: string;
  readonly mark: Mark | undefined;
}

/** The databases that earlier restores into this target have left, by their marks. */
export async function findLeftovers(
  maintenance: Session,
  target: string,
  temporary: string,
): Promise<readonly Leftover[]> {
  const rows = await maintenance.rows<{ name: string; comment: string | null; limit: number }>(
    `SELECT datname AS name, pg_catalog.shobj_description(oid, 'pg_database') AS comment, datconnlimit AS "limit"
     FROM pg_catalog.pg_database WHERE NOT datistemplate`,
    undefined,
    'looking for what an interrupted restore has left',
  );
  const found: Leftover[] = [];
  for (const row of rows) {
    const mark = readMark(row.comment);
    // Without its comment only the database of this very restore is known for certain: its name holds the id.
    const unmarked = row.comment === null && row.limit === birthLimit && row.name === temporary;
    if (mark?.target === target || unmarked) found.push({ name: row.name, mark });
  }
  return found;
}

export interface CreateTemporary {
  readonly name: string;
  readonly mark: Mark;
  readonly locale: DatabaseLocale;
  readonly tablespace?: string | undefined;
}

/** An empty database that says whose it is, and that nobody but its owner (and superusers) can connect to. */
export async function createTemporary(maintenance: Session, o: CreateTemporary): Promise<void> {
  const name = quoteIdentifier(o.name);
  await maintenance.exec(
    `CREATE DATABASE ${name} TEMPLATE template0 CONNECTION LIMIT ${birthLimit}${localeClauses(o.locale, maintenance.version)}${
      o.tablespace === undefined ? '' : ` TABLESPACE ${quoteIdentifier(o.tablespace)}`
    }`,
    `creating the temporary database ${o.name}`,
  );
  await maintenance.exec(
    `COMMENT ON DATABASE ${name} IS ${quoteLiteral(writeMark(o.mark))};
     REVOKE CONNECT, TEMPORARY ON DATABASE ${name} FROM PUBLIC`,
    `marking the temporary database ${o.name}`,
  );
}

/** Exported for its test. */
export function localeClauses(locale: DatabaseLocale, version: number): string {
  const clauses: [string, string][] = [['ENCODING', quoteLiteral(locale.encoding)]];
  // Before 15 there is no other provider, and no word for it.
  if (version >= 150_000) clauses.push(['LOCALE_PROVIDER', locale.provider]);
  clauses.push(['LC_COLLATE', quoteLiteral(locale.collate)], ['LC_CTYPE', quoteLiteral(locale.ctype)]);
  if (locale.locale !== undefined && locale.provider !== 'libc') {
    clauses.push([locale.provider === 'icu' ? 'ICU_LOCALE' : 'BUILTIN_LOCALE', quoteLiteral(locale.locale)]);
  }
  if (locale.icuRules !== undefined && version >= 160_000)
    clauses.push(['ICU_RULES', quoteLiteral(locale.icuRules)]);
  return clauses.map(([word, value]) => ` ${word} ${value}`).join('');
}

/** How all sessions of restores call themselves, so that they are told from those of people. */
export const applicationPrefix = 'holdfast restore';

/** Sessions of other people in a database: one of ours that was just closed may still be on its way out. */
export async function sessionsIn(maintenance: Session, name: string): Promise<readonly SessionInside[]> {
  const all = await allSessionsIn(maintenance, name);
  return all.filter((each) => !each.application.startsWith(applicationPrefix));
}

async function allSessionsIn(maintenance: Session, name: string): Promise<readonly SessionInside[]> {
  return maintenance.rows<SessionInside>(
    `SELECT pid AS "processId", coalesce(nullif(application_name, ''), '?') AS application,
       coalesce(usename, '?') AS "user"
     FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND backend_type <> 'autovacuum worker'`,
    [name],
    'looking who is connected',
  );
}

export interface SessionInside {
  readonly processId: number;
  readonly application: string;
  readonly user: string;
}

export function describeSessions(sessions: readonly SessionInside[]): string {
  const named = sessions
    .slice(0, 5)
    .map((each) => `process ${each.processId} (${each.application} of ${each.user})`);
  return named.join(', ') + (sessions.length > 5 ? ` and ${sessions.length - 5} more` : '');
}

/**
 * Ends what a killed restore still has running in its database (a server goes on building an index for a client that
 * is gone). Only sessions that call themselves ours, and only under the target's lock: nobody else can be at work.
 * @returns the sessions that are not ours
 */
export async function endOrphans(maintenance: Session, name: string): Promise<readonly SessionInside[]> {
  const inside = await allSessionsIn(maintenance, name);
  const ours = inside.filter((each) => each.application.startsWith(applicationPrefix));
  for (const each of ours) {
    await maintenance.rows(
      // Waits for the end, from 14 on; before, DROP DATABASE itself waits 5 s.
      maintenance.version >= 140_000
        ? 'SELECT pg_catalog.pg_terminate_backend($1, 5000)'
        : 'SELECT pg_catalog.pg_terminate_backend($1)',
      [each.processId],
      'ending what an interrupted restore has left running',
    );
  }
  return inside.filter((each) => !ours.includes(each));
}

/** @throws HoldfastError conflict when someone works in it */
export async function dropLeftover(maintenance: Session, leftover: Leftover): Promise<void> {
  const others = await endOrphans(maintenance, leftover.name);
  if (others.length > 0) {
    throw new HoldfastError(
      'conflict',
      `the database ${leftover.name}, left by an interrupted restore, is in use by ${describeSessions(others)}`,
      {
        hint: `end these sessions, or drop the database yourself: DROP DATABASE ${quoteIdentifier(leftover.name)}`,
      },
    );
  }
  await dropSubscriptions(maintenance, leftover.name);
  await maintenance.exec(
    `DROP DATABASE IF EXISTS ${quoteIdentifier(leftover.name)}`,
    `dropping ${leftover.name}`,
  );
}

/**
 * The database in the making, with whatever of ours is still connected to it. Whoever calls may not know how far it
 * got with making it: so what stands under the name is asked whose it is, and kept if it is not this restore's.
 */
export async function dropTemporary(maintenance: Session, name: string, mark: Mark): Promise<void> {
  const leftovers = await findLeftovers(maintenance, mark.target, name);
  const ours = leftovers.some(
    (each) => each.name === name && (each.mark === undefined || each.mark.id === mark.id),
  );
  if (!ours) return;
  await dropSubscriptions(maintenance, name);
  await maintenance.exec(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`, `dropping ${name}`);
}

/**
 * The last thing that is restored, and in the way of DROP DATABASE. They never were connected to anything: without
 * the name of their slot they go without asking the publisher, whose slot belongs to the database that was backed up.
 */
async function dropSubscriptions(maintenance: Session, name: string): Promise<void> {
  const found = await maintenance.rows<{ name: string }>(
    `SELECT s.subname AS name FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
     WHERE d.datname = $1`,
    [name],
    'looking for subscriptions',
  );
  if (found.length === 0) return;
  const signal = new AbortController().signal;
  await using session = await openSession(staysAt(maintenance), { signal, database: name });
  // Dropping a subscription fires event triggers, dropping an event trigger does not.
  const triggers = await session.rows<{ name: string }>(
    'SELECT evtname AS name FROM pg_catalog.pg_event_trigger',
  );
  for (const each of triggers) {
    await session.exec(`DROP EVENT TRIGGER ${quoteIdentifier(each.name)}`, 'dropping event triggers');
  }
  for (const each of found.map((row) => quoteIdentifier(row.name))) {
    await session.exec(
      `ALTER SUBSCRIPTION ${each} DISABLE; ALTER SUBSCRIPTION ${each} SET (slot_name = NONE);
       DROP SUBSCRIPTION ${each}`,
      'dropping subscriptions',
    );
  }
}

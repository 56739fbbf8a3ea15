import type { Sig } from '@holdfast/core';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';

/** Runs work on as many sessions of the database in the making as asked for, and closes them, come what may. */
export async function withSessions<T>(
  target: Target,
  count: number,
  o: Sig,
  work: (sessions: readonly [Session, ...Session[]]) => Promise<T>,
): Promise<T> {
  const sessions: Session[] = [];
  try {
    const first = await openWork(target, o);
    sessions.push(first);
    for (let i = 1; i < count; i++) sessions.push(await openWork(target, o));
    return await work([first, ...sessions.slice(1)]);
  } finally {
    await Promise.all(sessions.map((each) => each[Symbol.asyncDispose]()));
  }
}

/**
 * A session as pg_dump's statements and a load want it.
 * - `synchronous_commit` off: commits do not wait for the disk. Nothing is lost by it: the log is written in order,
 *   and `publish` commits synchronously, so that whatever has its name is on disk whole. If the server crashes
 *   before, the work and its journal entries are gone together.
 * - `check_function_bodies` off: a function may use what is made after it.
 * - the check of the client's connection: a server process whose client was killed ends, in place of going on with
 *   an index that nobody waits for. Not all platforms know it, so it is asked for apart and may be refused.
 */
export async function openWork(target: Target, o: Sig): Promise<Session> {
  const session = await openSession(target, { signal: o.signal, lockTimeoutMs: 0 });
  try {
    await session.exec(
      `SET synchronous_commit = off; SET default_transaction_read_only = off; SET check_function_bodies = off;
       SET client_min_messages = warning`,
      'preparing a session for the restore',
    );
    if (session.version >= 140_000) {
      await session.exec("SET client_connection_check_interval = '5s'").catch(() => {});
    }
    return session;
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

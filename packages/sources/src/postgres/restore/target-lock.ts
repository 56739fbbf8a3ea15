import type { Clock, Sig } from '@holdfast/core';
import type { Session } from '../session/session.ts';

/** The first half of the advisory lock's key: `hold` in ASCII. The other half is the target's name, hashed. */
const family = 0x686f6c64;

const pollMs = 250;

export interface LockHolder {
  /** As it calls itself: `holdfast restore r42`. */
  readonly application: string;
  readonly processId: number;
  readonly user: string;
  /** Address, or `local`. */
  readonly from: string;
  /** As its server prints it. */
  readonly since: string;
}

/**
 * One restore at a time per target: a lock of the session, so that the server lets go of it when the process dies,
 * however it dies. Advisory locks count per database: all restores have to ask in the same maintenance database.
 * @returns undefined when the lock is ours, else who has it
 */
export async function lockTarget(
  session: Session,
  name: string,
  o: Sig & { readonly clock: Clock; readonly waitMs: number },
): Promise<LockHolder | undefined> {
  const deadline = o.clock.elapsed() + o.waitMs;
  for (;;) {
    const [answer] = await session.rows<{ taken: boolean }>(
      'SELECT pg_catalog.pg_try_advisory_lock($1, pg_catalog.hashtext($2)) AS taken',
      [family, name],
      'asking for the lock of the target',
    );
    if (answer?.taken) return undefined;
    const left = deadline - o.clock.elapsed();
    if (left <= 0) {
      const holder = await findHolder(session, name);
      // It may have let go since.
      if (holder) return holder;
    }
    await o.clock.sleep(Math.max(1, Math.min(pollMs, left)), o.signal);
  }
}

async function findHolder(session: Session, name: string): Promise<LockHolder | undefined> {
  const [holder] = await session.rows<LockHolder>(
    `SELECT a.application_name AS application, a.pid AS "processId", coalesce(a.usename, '?') AS "user",
       coalesce(host(a.client_addr), 'local') AS "from",
       to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS since
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $1
       AND l.objid = (pg_catalog.hashtext($2)::int8 & 4294967295)::oid
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [family, name],
    'looking who has the lock of the target',
  );
  return holder;
}

export function describeHolder(holder: LockHolder): string {
  return `${holder.application} of ${holder.user} from ${holder.from} (process ${holder.processId}, since ${holder.since})`;
}

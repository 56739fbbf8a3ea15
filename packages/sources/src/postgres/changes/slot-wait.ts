import type { Clock } from '@holdfast/core';
import type { Session } from '../session/session.ts';

const firstNoticeMs = 5_000;
const nextNoticeMs = 60_000;

interface Blocker {
  pid: number;
  database: string | null;
  who: string | null;
  seconds: number | null;
  prepared: string | null;
}

/** Who the server process `$1` waits for. A prepared transaction has no process: it shows as 0. */
const blockersQuery = `
SELECT b.pid, a.datname AS database, a.usename AS who,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds,
       CASE WHEN b.pid = 0 THEN (SELECT p.gid FROM pg_catalog.pg_prepared_xacts p ORDER BY p.prepared LIMIT 1) END AS prepared
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int)) AS b(pid)
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid`;

/**
 * Says, after 5 s and then every minute, which transaction the making of a slot waits for. Ends with its signal, and
 * never fails: it only explains a wait.
 */
export async function watchWaiting(
  processId: number,
  o: {
    readonly watcher: Session;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly notice: (text: string) => void;
  },
): Promise<void> {
  try {
    for (let delayMs = firstNoticeMs; ; delayMs = nextNoticeMs) {
      await o.clock.sleep(delayMs, o.signal);
      const blockers = await o.watcher.rows<Blocker>(blockersQuery, [processId], 'asking who blocks');
      for (const each of blockers) o.notice(describe(each));
    }
  } catch {
    // The signal, or a watcher that is gone: whoever waits will say what matters.
  }
}

function describe({ pid, database, who, seconds, prepared }: Blocker): string {
  const until = 'the replication slot waits for it to end';
  if (pid === 0) {
    return `the prepared transaction ${prepared ?? '(not visible to us)'} is open, ${until}: COMMIT PREPARED or ROLLBACK PREPARED it`;
  }
  const age = seconds === null ? '' : ` for ${Math.round(seconds)} s`;
  const whose = who === null ? '' : ` of ${who}${database === null ? '' : ` in ${database}`}`;
  return `the transaction of process ${pid}${whose} is open${age}, ${until} (SELECT pg_terminate_backend(${pid}) ends it)`;
}

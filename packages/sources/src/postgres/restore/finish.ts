import type { Sig } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { type Group, planFinish, relationKey } from './finish-plan.ts';
import { runSteps, stepName } from './run-steps.ts';
import type { Passes } from './statements.ts';

export interface Finish extends Sig {
  readonly sessions: readonly [Session, ...Session[]];
  readonly passes: Passes;
  /** The journal's, of an interrupted restore. */
  readonly steps: ReadonlyMap<string, number>;
  readonly progress: (doneRatio: number, what: string) => void;
}

/** Everything after the rows but `Passes.last`, which `publish` makes. */
export async function finish(o: Finish): Promise<void> {
  const { passes, sessions } = o;
  const [session] = sessions;
  await raiseMemory(sessions);
  const groups = [...planFinish(passes.postData)];
  let number = passes.postData.length;
  const add = (what: string, statements: Passes['privileges']): void => {
    const steps = statements.map((statement) => ({ number: number++, statement, locks: [] }));
    if (steps.length > 0) groups.push({ what, parallel: false, steps } satisfies Group);
  };
  add('privileges', passes.privileges);
  add('materialized views', passes.refreshes);
  const finished = new Set<number>();
  for (let i = 0; i < number; i++) if (o.steps.has(stepName(i))) finished.add(i);
  await runSteps(groups, {
    sessions,
    finished,
    sizes: await readSizes(session),
    progress: o.progress,
    signal: o.signal,
  });
}

async function readSizes(session: Session): Promise<ReadonlyMap<string, number>> {
  const rows = await session.rows<{ schema: string; name: string; bytes: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_relation_size(c.oid)::text AS bytes
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.oid >= 16384::oid`,
    undefined,
    'measuring the tables',
  );
  return new Map(rows.map((row) => [relationKey(row.schema, row.name), Number(row.bytes)]));
}

const megabyte = 1 << 20;
const memoryBytesMin = 256 * megabyte;
const memoryBytesMax = 1024 * megabyte;

/**
 * Sorting in memory is what makes builds quick. How much memory the server has it does not say; whoever set
 * `shared_buffers` knew, and so all builds together get as much as that. Never less than the server gives by itself.
 */
async function raiseMemory(sessions: readonly [Session, ...Session[]]): Promise<void> {
  const [first] = sessions;
  const [server] = await first.rows<{ buffers: string; now: string }>(
    `SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers'))::text AS buffers,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem'))::text AS now`,
  );
  const share = Math.max(memoryBytesMin, Number(server?.buffers)) / sessions.length;
  const bytes = Math.max(Number(server?.now), Math.min(share, memoryBytesMax));
  const kilobytes = Math.floor(bytes / 1024);
  for (const session of sessions) await session.exec(`SET maintenance_work_mem = ${kilobytes}`);
}

import { quoteLiteral } from '../full/names.ts';
import type { Session } from '../session/session.ts';

/**
 * What an interrupted restore has finished. It lies in the database in the making, so that an entry and what it tells
 * of become true in one commit; it is dropped before that database gets its name.
 */
export const journalSchema = 'holdfast_restore';

export const createJournal = `
  CREATE SCHEMA ${journalSchema};
  CREATE TABLE ${journalSchema}.loads (id text PRIMARY KEY, rows bigint NOT NULL);
  CREATE TABLE ${journalSchema}.steps (step text PRIMARY KEY, done bigint NOT NULL)`;

export const dropJournal = `DROP SCHEMA ${journalSchema} CASCADE`;

/** A statement that remembers a load; runs in the load's own transaction. */
export function noteLoad(id: string, rows: number): string {
  return `INSERT INTO ${journalSchema}.loads VALUES (${quoteLiteral(id)}, ${rows})`;
}

/** A statement that remembers a step; runs in the step's own transaction. */
export function noteStep(step: string, done = 1): string {
  return `INSERT INTO ${journalSchema}.steps VALUES (${quoteLiteral(step)}, ${done})
    ON CONFLICT (step) DO UPDATE SET done = excluded.done`;
}

export interface JournalEntries {
  /** Rows by id of load. */
  readonly loads: ReadonlyMap<string, number>;
  readonly steps: ReadonlyMap<string, number>;
}

/** Undefined when there is no journal: the restore died before its first transaction, or after its last. */
export async function readJournal(session: Session): Promise<JournalEntries | undefined> {
  const [there] = await session.rows<{ there: boolean }>(
    `SELECT pg_catalog.to_regclass('${journalSchema}.steps') IS NOT NULL AS there`,
    undefined,
    'looking for the journal of an interrupted restore',
  );
  if (!there?.there) return undefined;
  const what = 'reading the journal of an interrupted restore';
  const loads = await session.rows<{ id: string; rows: string }>(
    `SELECT id, rows::text FROM ${journalSchema}.loads`,
    undefined,
    what,
  );
  const steps = await session.rows<{ step: string; done: string }>(
    `SELECT step, done::text FROM ${journalSchema}.steps`,
    undefined,
    what,
  );
  return {
    loads: new Map(loads.map((each) => [each.id, Number(each.rows)])),
    steps: new Map(steps.map((each) => [each.step, Number(each.done)])),
  };
}

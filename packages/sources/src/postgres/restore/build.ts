import { createHash } from 'node:crypto';
import { HoldfastError, type SchemaStatement, type Sig } from '@holdfast/core';
import { quoteIdentifier } from '../full/names.ts';
import type { Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { applyInOrder, naming } from './apply.ts';
import { databaseStatements, type WantedDatabase } from './database-statements.ts';
import { createJournal, type JournalEntries, noteStep, readJournal } from './journal.ts';
import type { Passes } from './statements.ts';
import { contentsOf } from './target-facts.ts';
import {
  createTemporary,
  type DatabaseLocale,
  dropLeftover,
  endOrphans,
  findLeftovers,
  type Leftover,
} from './temporary-database.ts';
import type { Mark } from './temporary-name.ts';
import { openWork } from './work-sessions.ts';

export interface Build extends Sig {
  readonly maintenance: Session;
  /** The database in the making. */
  readonly temporary: Target;
  readonly mark: Mark;
  readonly locale: DatabaseLocale;
  readonly tablespace: string | undefined;
  readonly wanted: WantedDatabase;
  readonly preData: readonly SchemaStatement[];
}

const preDataStep = 'pre-data';

/** What a restore is to make, in one word: a leftover of another recipe is of no use to it. */
export function recipeOf(passes: Passes): string {
  const text = JSON.stringify([1, passes]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Makes the temporary database with its pre-data, or takes up the one that an interrupted restore has left. */
export async function build(o: Build): Promise<JournalEntries> {
  const entries = (await takeUp(o)) ?? (await begin(o));
  await using session = await openWork(o.temporary, o);
  const done = entries.steps.get(preDataStep) ?? 0;
  const numbered = o.preData.map((statement, number) => ({ number, statement }));
  await applyInOrder(session, numbered.slice(done), {
    signal: o.signal,
    note: (batch) => noteStep(preDataStep, (batch.at(-1)?.number ?? -1) + 1),
  });
  return entries;
}

/**
 * Under the target's lock nobody else works in databases that carry its mark. One of this very restore is taken up;
 * all others are of restores that will not come back.
 */
async function takeUp(o: Build): Promise<JournalEntries | undefined> {
  let entries: JournalEntries | undefined;
  for (const leftover of await findLeftovers(o.maintenance, o.mark.target, o.temporary.database)) {
    o.signal.throwIfAborted();
    const { mark, name } = leftover;
    const same = name === o.temporary.database && mark?.id === o.mark.id && mark.recipe === o.mark.recipe;
    if (same) entries = await readLeftover(o);
    if (same && entries !== undefined) continue;
    if (mark?.role === 'replaced' && (await keepsThings(o, leftover))) continue;
    await dropLeftover(o.maintenance, leftover);
  }
  return entries;
}

async function readLeftover(o: Build): Promise<JournalEntries | undefined> {
  await endOrphans(o.maintenance, o.temporary.database);
  await using session = await openWork(o.temporary, o);
  return await readJournal(session);
}

/** An empty database was put aside, and the process died before it was dropped. What is not empty is not ours. */
async function keepsThings(o: Build, leftover: Leftover): Promise<boolean> {
  if ((await contentsOf(o.maintenance, leftover.name, o)) === undefined) return false;
  await o.maintenance.exec(`COMMENT ON DATABASE ${quoteIdentifier(leftover.name)} IS NULL`);
  return true;
}

async function begin(o: Build): Promise<JournalEntries> {
  const name = o.temporary.database;
  const [taken] = await o.maintenance.rows('SELECT FROM pg_catalog.pg_database WHERE datname = $1', [name]);
  if (taken) {
    throw new HoldfastError(
      'precondition_failed',
      `there is a database ${name}, and it is not of a restore`,
      {
        hint: 'rename it, or restore into another name',
      },
    );
  }
  await createTemporary(o.maintenance, { name, mark: o.mark, locale: o.locale, tablespace: o.tablespace });
  await rehearse(o);
  await using session = await openWork(o.temporary, o);
  await session.exec(createJournal, 'making the journal of the restore');
  return { loads: new Map(), steps: new Map() };
}

/** What the last transaction will do to the database, done and undone: better refused now than after the rows. */
async function rehearse(o: Build): Promise<void> {
  await o.maintenance.exec('BEGIN');
  try {
    for (const statement of databaseStatements(o.temporary.database, o.wanted)) {
      await o.maintenance.exec(statement.text).catch((caught) => {
        throw naming(statement, caught);
      });
    }
  } finally {
    if (o.maintenance.alive) await o.maintenance.exec('ROLLBACK');
  }
}

import { HoldfastError, type SchemaStatement, type Sig } from '@holdfast/core';
import { quoteIdentifier, quoteLiteral } from '../full/names.ts';
import type { Session } from '../session/session.ts';
import { naming } from './apply.ts';
import { databaseStatements, type WantedDatabase } from './database-statements.ts';
import { dropJournal } from './journal.ts';
import { sqlStateOf } from './sql-state.ts';
import { contentsOf } from './target-facts.ts';
import { describeSessions, sessionsIn } from './temporary-database.ts';
import { asideName, type Mark, writeMark } from './temporary-name.ts';

export interface Publish extends Sig {
  readonly maintenance: Session;
  /** In the database in the making. */
  readonly openTemporary: () => Promise<Session>;
  readonly target: string;
  readonly temporary: string;
  readonly id: string;
  readonly wanted: WantedDatabase;
  /** `Passes.last`. */
  readonly last: readonly SchemaStatement[];
  /** Called when the rename is committed: from then on there is no temporary database. */
  readonly published: () => void;
}

/**
 * Gives the finished database its name, and takes that name from an empty database that has it, in one transaction:
 * at no moment does the name mean anything but the one or the other.
 * @throws HoldfastError precondition_failed, conflict, before anything is changed that people see
 */
export async function publish(o: Publish): Promise<void> {
  await refuseUnlessEmpty(o);
  await close(o);
  o.signal.throwIfAborted();
  const aside = await rename(o);
  o.published();
  if (aside !== undefined) await dropAside(o, aside);
}

async function exists(maintenance: Session, name: string): Promise<boolean> {
  const rows = await maintenance.rows('SELECT FROM pg_catalog.pg_database WHERE datname = $1', [name]);
  return rows.length > 0;
}

/** Much may have happened since the restore began. */
async function refuseUnlessEmpty(o: Publish): Promise<void> {
  if (!(await exists(o.maintenance, o.target))) return;
  const contents = await contentsOf(o.maintenance, o.target, o);
  if (contents !== undefined) {
    throw new HoldfastError(
      'precondition_failed',
      `the database ${o.target} is not empty any more: there is ${contents}`,
      { hint: 'restore into another name; nothing of what is there was changed' },
    );
  }
  const inside = await sessionsIn(o.maintenance, o.target);
  if (inside.length > 0) throw inUse(o.target, describeSessions(inside));
}

function inUse(database: string, by: string): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `the empty database ${database} cannot be replaced, because it is in use by ${by}`,
    { hint: 'end these sessions, or drop the database, and restore again' },
  );
}

/** The last statements inside: the journal goes, and event triggers come, which its going would have fired. */
async function close(o: Publish): Promise<void> {
  await using session = await o.openTemporary();
  const statements = o.last.map((statement) => statement.text);
  try {
    await session.exec([dropJournal, ...statements].join('\n;\n'), 'finishing the restored database');
  } catch (caught) {
    throw o.last.length === 1 && o.last[0] ? naming(o.last[0], caught) : caught;
  }
}

const objectInUse = '55006';

/** @returns how the database that had the name is called now */
async function rename(o: Publish): Promise<string | undefined> {
  const { maintenance, target, temporary } = o;
  const aside = (await exists(maintenance, target)) ? asideName(target, o.id) : undefined;
  await maintenance.exec('BEGIN', 'publishing the restored database');
  try {
    // What was written with commits that did not wait for the disk is before this commit in the log, so this one has
    // to wait for it, whatever the server's default is.
    await maintenance.rows(
      `SELECT pg_catalog.set_config('synchronous_commit', 'local', true)
       WHERE pg_catalog.current_setting('synchronous_commit') = 'off'`,
    );
    for (const statement of databaseStatements(temporary, o.wanted)) {
      await maintenance.exec(statement.text).catch((caught) => {
        throw naming(statement, caught);
      });
    }
    if (aside !== undefined) {
      const mark: Mark = { role: 'replaced', target, id: o.id, recipe: '' };
      await maintenance.exec(
        `ALTER DATABASE ${quoteIdentifier(target)} RENAME TO ${quoteIdentifier(aside)};
         COMMENT ON DATABASE ${quoteIdentifier(aside)} IS ${quoteLiteral(writeMark(mark))}`,
        `putting the empty database ${target} aside`,
      );
    }
    await maintenance.exec(
      `ALTER DATABASE ${quoteIdentifier(temporary)} RENAME TO ${quoteIdentifier(target)}`,
      `giving the restored database its name ${target}`,
    );
    o.signal.throwIfAborted();
    await maintenance.exec('COMMIT', 'publishing the restored database');
  } catch (caught) {
    if (maintenance.alive) await maintenance.exec('ROLLBACK').catch(() => {});
    if (sqlStateOf(caught) !== objectInUse || !maintenance.alive) throw caught;
    const inside = [
      ...(await sessionsIn(maintenance, target)),
      ...(await sessionsIn(maintenance, temporary)),
    ];
    throw inUse(target, inside.length > 0 ? describeSessions(inside) : 'a session that is gone by now');
  }
  return aside;
}

/**
 * Between the look at the empty database and its renaming, somebody may have made something in it: then it stays,
 * under its new name, and is not ours any more.
 */
async function dropAside(o: Publish, aside: string): Promise<void> {
  const contents = await contentsOf(o.maintenance, aside, o);
  if (contents !== undefined) {
    await o.maintenance.exec(`COMMENT ON DATABASE ${quoteIdentifier(aside)} IS NULL`);
    throw new HoldfastError(
      'precondition_failed',
      `${o.target} is restored, but while it was published somebody made ${contents} in the empty database that had the name: it is now called ${aside}`,
      { hint: `take over what is needed from ${aside}, then drop it` },
    );
  }
  // Whoever connects to it in this very moment keeps it for a while: it is marked, and the next restore drops it.
  await o.maintenance.exec(`DROP DATABASE ${quoteIdentifier(aside)}`).catch(() => {});
}

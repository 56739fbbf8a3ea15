import { HoldfastError, type SchemaStatement, type Sig } from '@holdfast/core';
import type { Session } from '../session/session.ts';

/**
 * How many statements go into one transaction. Each new object is a lock until the commit, a table with indexes and
 * a sequence several, and the server's lock table has room for about 64 per connection by default.
 */
const statementsMax = 200;
const batchBytesMax = 4 << 20;

export interface Numbered {
  readonly number: number;
  readonly statement: SchemaStatement;
}

/**
 * Runs statements in order, many in one transaction and one message: ten thousand tables are fifty round trips.
 * `note` gives the statement that remembers, in the same transaction, that all up to the last of these are done.
 */
export async function applyInOrder(
  session: Session,
  statements: readonly Numbered[],
  o: Sig & { readonly note: (batch: readonly Numbered[]) => string; readonly done?: (count: number) => void },
): Promise<void> {
  let done = 0;
  for (const batch of batches(statements)) {
    o.signal.throwIfAborted();
    try {
      await session.exec(toMessage(batch, o.note(batch)), 'restoring the schema');
    } catch (caught) {
      if (o.signal.aborted || !session.alive) throw caught;
      // The server does not say which of them failed. One by one it does; and if it was only that the batch was too
      // much for its lock table, one by one also gets through.
      for (const each of batch) await applyOne(session, each, o.note([each]));
    }
    done += batch.length;
    o.done?.(done);
  }
}

/** @throws HoldfastError that names the object */
export async function applyOne(session: Session, each: Numbered, note: string): Promise<void> {
  try {
    await session.exec(toMessage([each], note), 'restoring the schema');
  } catch (caught) {
    throw naming(each.statement, caught);
  }
}

/** The server's error, led by the object that could not be made. */
export function naming(statement: SchemaStatement, caught: unknown): HoldfastError {
  const error = HoldfastError.from(caught);
  if (error.code === 'cancelled' || error.code === 'lease_lost') return error;
  return new HoldfastError(
    error.code,
    `${statement.type} ${statement.name} cannot be restored: ${error.reason}`,
    { hint: error.hint, cause: caught },
  );
}

/** Several statements in one message are one transaction, unless one of them says otherwise; none of pg_dump's does. */
function toMessage(batch: readonly Numbered[], note: string): string {
  return [...batch.map((each) => each.statement.text), note].join('\n;\n');
}

function* batches(statements: readonly Numbered[]): Generator<readonly Numbered[]> {
  let batch: Numbered[] = [];
  let bytes = 0;
  for (const each of statements) {
    if (
      batch.length >= statementsMax ||
      (batch.length > 0 && bytes + each.statement.text.length > batchBytesMax)
    ) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(each);
    bytes += each.statement.text.length;
  }
  if (batch.length > 0) yield batch;
}

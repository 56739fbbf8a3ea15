import type { Session } from '../session/session.ts';
import { quoteLiteral } from './names.ts';

/**
 * Begins the transaction in which everything is read. With a snapshot, it sees exactly what the transaction that
 * exported it saw.
 */
export async function beginView(session: Session, snapshot?: string): Promise<void> {
  await session.exec('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'opening a view');
  if (snapshot === undefined) return;
  await session.exec(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`, 'joining the view');
}

/** Lets others join this session's view, for as long as its transaction lasts. */
export async function exportSnapshot(session: Session): Promise<string> {
  const [row] = await session.rows<{ snapshot: string }>(
    'SELECT pg_catalog.pg_export_snapshot() AS snapshot',
    undefined,
    'sharing the view',
  );
  return row?.snapshot ?? '';
}

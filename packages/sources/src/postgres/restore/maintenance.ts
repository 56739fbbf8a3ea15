import { HoldfastError, type Sig } from '@holdfast/core';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';

/** `postgres` is there for this. A session in `template1` keeps others from creating databases, so it comes second. */
const candidates = ['postgres', 'template1'];

/**
 * A session beside the target, from which databases are created and renamed: a database cannot be renamed from inside
 * of it. All further sessions have to go to the server that this one found: `staysAt` says which it is.
 */
export async function openMaintenance(target: Target, o: Sig): Promise<Session> {
  const { database } = target;
  if (database === 'template0' || database === 'template1') {
    throw new HoldfastError('config_invalid', `${database} is a template of PostgreSQL's own, not a target`, {
      hint: 'name the database to restore into in the URL: postgres://host/name',
    });
  }
  const role = target.role === 'any' && target.hosts.length > 1 ? 'read-write' : target.role;
  let refusal: HoldfastError | undefined;
  for (const candidate of candidates) {
    if (candidate === database) continue;
    try {
      return await openSession({ ...target, role, database: candidate }, o);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      // There, but not for us: no such database, or no right to connect to it.
      if (error.code !== 'not_found' && error.code !== 'permission_denied') throw error;
      refusal ??= error;
    }
  }
  throw new HoldfastError('permission_denied', `no maintenance database can be used: ${refusal?.reason}`, {
    hint: `a restore creates and renames databases from beside them: GRANT CONNECT ON DATABASE postgres TO "${target.user}"`,
    cause: refusal,
  });
}

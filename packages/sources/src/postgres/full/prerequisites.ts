import { type ErrorCode, type Finding, HoldfastError } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import type { ServerFacts } from './identity.ts';

const oldestVersion = 130_000;

/** What stands in the way of a full backup of any kind. */
export function checkFull(session: Session, facts: ServerFacts): readonly Finding[] {
  const found: Finding[] = [];
  if (session.version < oldestVersion) {
    found.push(
      unmet(
        'server version',
        'unsupported',
        `the server is PostgreSQL ${facts.source.version}, the oldest that works is 13`,
        'upgrade the server',
      ),
    );
  }
  return found;
}

/** What stands in the way of keeping changes for incrementals. */
export function checkKeepChanges(session: Session, facts: ServerFacts): readonly Finding[] {
  const found: Finding[] = [];
  const { user } = session.target;
  if (facts.standby && session.version < 160_000) {
    found.push(
      unmet(
        'primary',
        'unsupported',
        `${session.where} is a standby, which can keep changes only from PostgreSQL 16 on`,
        'add target_session_attrs=primary to the URL, and name the primary in it',
      ),
    );
  }
  if (facts.walLevel !== 'logical') {
    found.push(
      unmet(
        'wal_level',
        'precondition_failed',
        `wal_level is ${facts.walLevel}; incrementals need logical`,
        'ALTER SYSTEM SET wal_level = logical; then restart the server. Full backups work without',
      ),
    );
  }
  if (!facts.mayReplicate) {
    found.push(
      unmet(
        'replication right',
        'permission_denied',
        `user ${user} may not use replication slots`,
        `ALTER ROLE "${user}" REPLICATION; (on a managed service: GRANT its replication role)`,
      ),
    );
  }
  if (facts.slotsFree <= 0) {
    found.push(
      unmet(
        'replication slots',
        'exhausted',
        'no replication slot is free',
        'raise max_replication_slots and restart the server, or drop slots that nobody uses: SELECT * FROM pg_replication_slots',
      ),
    );
  }
  if (facts.sendersMax <= 0) {
    found.push(
      unmet(
        'max_wal_senders',
        'precondition_failed',
        'max_wal_senders is 0',
        'ALTER SYSTEM SET max_wal_senders = 10; then restart the server',
      ),
    );
  }
  return found;
}

/** @throws HoldfastError of the first finding's code, with the words of all */
export function refuseUnmet(findings: readonly Finding[]): void {
  const [first] = findings;
  if (!first) return;
  throw new HoldfastError(
    first.code ?? 'precondition_failed',
    findings.map((each) => each.message).join('; '),
    { hint: findings.map((each) => each.hint).join('; ') },
  );
}

function unmet(check: string, code: ErrorCode, message: string, hint: string): Finding {
  return { check, ok: false, severity: 'error', code, message, hint };
}

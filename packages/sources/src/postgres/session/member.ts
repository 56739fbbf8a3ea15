import { HoldfastError } from '@holdfast/core';
import type { ServerPin, TargetRole } from './url.ts';

/** What a server says of itself when a session begins. */
export interface Member extends Required<ServerPin> {
  readonly timeline: number;
  readonly standby: boolean;
  /** Transactions of this session are read only unless they say otherwise: on a standby always. */
  readonly readOnly: boolean;
}

/**
 * On a primary the control file tells of a promotion only after the checkpoint that follows, the name of the log file
 * at once. A standby may be behind what it says here, never ahead.
 */
export const timelineSql = `
  CASE WHEN pg_catalog.pg_is_in_recovery()
       THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline)
               FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r)
       ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int4
  END`;

/** All of it may be asked by any user, and by a replication session. */
export const memberQuery = `
  SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,
         (1000000 * EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()))::int8::text AS "startedAt",
         ${timelineSql} AS timeline, pg_catalog.pg_is_in_recovery() AS standby,
         pg_catalog.current_setting('transaction_read_only') = 'on' AS "readOnly"`;

/** In words what the server is in place of what is wanted; undefined: it fits. */
export function misfit(role: TargetRole, { standby, readOnly }: Member): string | undefined {
  if ((role === 'primary' && standby) || (role === 'standby' && !standby))
    return standby ? 'a standby' : 'a primary';
  if ((role === 'read-write' && readOnly) || (role === 'read-only' && !readOnly)) {
    return readOnly ? 'read only' : 'read-write';
  }
  return undefined;
}

export function wrongRole(where: string, is: string, wanted: TargetRole): HoldfastError {
  return new HoldfastError('precondition_failed', `${where} is ${is}, wanted is ${wanted}`, {
    hint: 'check the hosts and target_session_attrs of the URL',
  });
}

export function isSameServer(pin: ServerPin, member: Member): boolean {
  return pin.system === member.system && (pin.startedAt ?? member.startedAt) === member.startedAt;
}

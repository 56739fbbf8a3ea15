import { HoldfastError } from '@holdfast/core';
import type { TimelineHistory } from './timeline-history.ts';

/**
 * What a manifest keeps so that the next incremental can see what happened besides row changes. Arrays and short
 * hashes: ten thousand tables are about a megabyte of JSON, which compresses.
 */
export interface ChangeState {
  readonly version: 1;
  readonly slot: string;
  /** Server and database, so that another one is told from it. */
  readonly identity: string;
  /** A promoted or restored server has another one. */
  readonly timeline: number;
  /** Where that timeline came from. Absent in backups of earlier versions, and when the server does not know it. */
  readonly history?: TimelineHistory;
  /** A server that was put back to an earlier state has a smaller one. */
  readonly nextTransaction: string;
  /** Tables and leaf partitions. */
  readonly tables: readonly TableMark[];
  /** User-defined types in their columns: `[type, hash of what decides how its values print]`. */
  readonly types: readonly (readonly [oid: number, hash: string])[];
  /** The newest enum label that the hashes cover: one that is only added changes no value that is there. */
  readonly enumOid: number;
  /** Hash of the catalogs that a schema dump reads. */
  readonly catalog: string;
  /** Hash over large objects, empty if there are none, null if this user cannot tell. */
  readonly largeObjects: string | null;
  /** Paths of the chunks of kind `special`: what is not planned any more has to be dropped. */
  readonly special: readonly string[];
}

/** One table: see `fingerprint.ts` for what each part says. */
export type TableMark = readonly [
  path: string,
  shape: string,
  classChange: number,
  explained: string,
  file: number,
  typeChange: number,
  owner: number,
];

/** @throws HoldfastError precondition_failed when the state is of another kind, so that only a full can follow */
export function parseState(state: unknown): ChangeState {
  const each = state as Partial<ChangeState> | null;
  if (
    typeof each === 'object' &&
    each?.version === 1 &&
    typeof each.slot === 'string' &&
    Array.isArray(each.tables)
  ) {
    return each as ChangeState;
  }
  throw new HoldfastError(
    'precondition_failed',
    'continuity lost: the backup before this one was made without keeping changes, or by another version of Holdfast',
    { hint: 'a full backup that keeps changes begins a new chain' },
  );
}

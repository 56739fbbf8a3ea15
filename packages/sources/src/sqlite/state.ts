import { createHash } from 'node:crypto';
import { HoldfastError } from '@holdfast/core';
import type { Table } from './catalog.ts';
import type { Cuts } from './chunk-ranges.ts';
import { pragma } from './connection.ts';
import type { Fingerprint, Frozen, FrozenDatabase } from './freeze.ts';

/** What the next incremental needs to know: `Manifest.state`. */
export interface SqliteState {
  readonly version: 1;
  /** Whether incrementals come from kept revisions, or from comparing chunks. */
  readonly mode: 'revisions' | 'chunks';
  /** Under which name the kept revisions are held back. */
  readonly label?: string;
  /** Per database, how far its revisions are in the chain. */
  readonly sequences: Readonly<Record<string, number>>;
  /** Per database, its schema version: VACUUM changes it, and with it the rowids of tables that do not keep theirs. */
  readonly schemas: Readonly<Record<string, number>>;
  readonly fingerprints: Readonly<Record<string, KeptFingerprint>>;
  readonly tables: Readonly<Record<string, KeptTable>>;
  /** The chain's content is an image, in which no chunk can be compared. */
  readonly image?: boolean;
}

export interface KeptTable {
  /** Digest of its definition. */
  readonly definition: string;
  readonly cuts: Cuts;
  /** The chain holds changes of its rows, which newer chunks of single ranges would not void. */
  readonly changed?: boolean;
}

export interface KeptFingerprint extends Fingerprint {
  /** Nothing had been written for a while when it was taken: the file's times can be trusted to tell a later change. */
  readonly settled: boolean;
}

/** Coarser than the clock of any file system that has times of change. */
const settleMs = 5000;

export function keepFingerprints(frozen: Frozen, nowMs: number): Record<string, KeptFingerprint> {
  return Object.fromEntries(
    frozen.databases.map(({ name, fingerprint }) => {
      const changedMs = Number(BigInt(fingerprint.changedNs) / 1_000_000n);
      return [name, { ...fingerprint, settled: nowMs - changedMs > settleMs }];
    }),
  );
}

/**
 * Whether a database certainly holds what it held then, without reading it.
 * - Without a WAL the file change counter in its header answers: SQLite increments it with every transaction that
 *   writes.
 * - With one it does not (a transaction that leaves page 1 alone leaves the counter alone). If the WAL held commits
 *   then and still ends with the same one (salts, frame, checksum), nothing was committed since.
 * - If the WAL was empty then and is now, commits in between would have been copied into the file, which changes the
 *   time of its last change (`ctime`, which no program can set); that is trusted only if it was not fresh then.
 */
export function unchangedSince(kept: KeptFingerprint | undefined, now: Fingerprint): boolean {
  if (!kept || kept.journal !== now.journal) return false;
  if (kept.device !== now.device || kept.inode !== now.inode) return false;
  if (now.journal === 'wal' && now.wal !== '') return kept.wal === now.wal;
  if (kept.wal !== '' || kept.sizeBytes !== now.sizeBytes || kept.changeCounter !== now.changeCounter)
    return false;
  if (now.journal === 'rollback') return true;
  return kept.settled && kept.changedNs === now.changedNs && kept.modifiedNs === now.modifiedNs;
}

/** All databases, the same ones as then, hold what they held then. */
export function isUnchanged(frozen: Frozen, state: SqliteState): boolean {
  return (
    Object.keys(state.fingerprints).length === frozen.databases.length &&
    frozen.databases.every((one) => unchangedSince(state.fingerprints[one.name], one.fingerprint))
  );
}

export function definitionOf(frozen: Pick<Frozen, 'db'>, table: Table): string {
  const row = frozen.db
    .prepare(`SELECT sql FROM "${table.database}".sqlite_schema WHERE type = 'table' AND name = ?`)
    .get(table.name) as { sql: string } | undefined;
  return digestOf([row?.sql ?? '', table.output]);
}

export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

/** @throws HoldfastError precondition_failed when the chain was written by something else */
export function readState(state: unknown): SqliteState {
  const known = state as SqliteState | null;
  if (typeof known === 'object' && known?.version === 1 && known.tables && known.fingerprints) return known;
  throw new HoldfastError(
    'precondition_failed',
    'continuity lost: the chain does not say what to go on from',
    {
      hint: 'make a full backup',
    },
  );
}

export function schemaVersions(frozen: Frozen): Record<string, number> {
  return Object.fromEntries(
    frozen.databases.map(({ name }) => [name, Number(pragma(frozen.db, name, 'schema_version'))]),
  );
}

/** A point in time of all databases, for people and for comparing. */
export function positionOf(databases: readonly FrozenDatabase[]): string {
  return databases
    .map(({ name, fingerprint: f }) => `${name}=${f.changeCounter}.${f.wal === '' ? f.changedNs : f.wal}`)
    .join(',');
}

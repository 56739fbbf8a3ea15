import { type ErrorCode, HoldfastError } from '@holdfast/core';

/** Primary result codes of SQLite, and what they mean for a person who backs up. https://sqlite.org/rescode.html */
const byResult: Readonly<Record<number, { code: ErrorCode; hint?: string }>> = {
  3: { code: 'permission_denied', hint: 'let this user read the file' },
  5: {
    code: 'timeout',
    hint: 'another connection kept its lock; wait for its transaction, or raise `busy_timeout`',
  },
  6: { code: 'timeout', hint: 'another connection of this process kept its lock' },
  7: { code: 'exhausted', hint: 'give the process more memory' },
  8: { code: 'permission_denied', hint: 'let this user write to the file and its folder' },
  9: { code: 'cancelled' },
  10: { code: 'source_failed', hint: 'check the disk and the file system' },
  11: { code: 'corrupt', hint: 'run `PRAGMA integrity_check`, and restore from a good backup' },
  13: { code: 'exhausted', hint: 'make room on the disk' },
  14: { code: 'unavailable', hint: 'check the path and its permissions' },
  15: { code: 'unavailable' },
  17: { code: 'source_failed', hint: 'the schema changed meanwhile; run again' },
  18: { code: 'unsupported', hint: 'a value or a statement is larger than SQLite takes' },
  22: { code: 'unsupported' },
  23: { code: 'permission_denied' },
  26: {
    code: 'corrupt',
    hint: 'the file is no SQLite database, or it is encrypted; encrypted ones (SEE, SQLCipher) are not supported',
  },
};

interface SqliteError extends Error {
  readonly code: string;
  readonly errcode: number;
  readonly errstr: string;
}

function isSqliteError(caught: unknown): caught is SqliteError {
  return caught instanceof Error && (caught as Partial<SqliteError>).code === 'ERR_SQLITE_ERROR';
}

/** The primary result code of SQLite behind an error, or undefined. */
export function resultOf(caught: unknown): number | undefined {
  return isSqliteError(caught) ? caught.errcode & 0xff : undefined;
}

const bySystem: Readonly<Record<string, { code: ErrorCode; hint?: string }>> = {
  ENOENT: { code: 'not_found', hint: 'check the path' },
  EACCES: { code: 'permission_denied', hint: 'let this user read the file and its folder' },
  EPERM: { code: 'permission_denied' },
  EROFS: { code: 'permission_denied', hint: 'the file system is mounted read-only' },
  ENOSPC: { code: 'exhausted', hint: 'make room on the disk' },
  EDQUOT: { code: 'exhausted', hint: 'raise the quota' },
  EMFILE: { code: 'exhausted', hint: 'raise the limit of open files' },
  EIO: { code: 'source_failed', hint: 'check the disk' },
};

/** The one translator of this driver. `what` says what was tried, and on which database or table. */
export function translate(caught: unknown, what: string): HoldfastError {
  if (caught instanceof HoldfastError) return caught;
  if (isSqliteError(caught)) {
    const known = byResult[caught.errcode & 0xff];
    return new HoldfastError(known?.code ?? 'source_failed', `${what}: ${caught.message}`, {
      hint: known?.hint,
      cause: caught,
    });
  }
  if (caught instanceof Error && 'code' in caught && typeof caught.code === 'string') {
    const known = bySystem[caught.code];
    if (known) {
      return new HoldfastError(known.code, `${what}: ${caught.message}`, { hint: known.hint, cause: caught });
    }
  }
  return HoldfastError.from(caught);
}

/** Runs `work` and translates whatever it throws. */
export function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    throw translate(caught, what);
  }
}

/** SQLite lacks what an application brings along: a collation, a function, a module. No damage. */
export function isForeign(caught: unknown): boolean {
  if (resultOf(caught) !== 1) return false;
  return /no such (?:collation sequence|function|module)|unknown function/.test((caught as Error).message);
}

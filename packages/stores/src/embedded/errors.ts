import { type ErrorCode, HoldfastError } from '@holdfast/core';

interface Known {
  readonly code: ErrorCode;
  readonly hint?: string;
}

const makeRoom: Known = { code: 'exhausted', hint: 'make room on the disk, or raise the quota' };
const mayNot: Known = {
  code: 'permission_denied',
  hint: 'let the user of this process read and write the file and its folder, on a file system mounted for writing',
};

/** Primary result codes of SQLite, and what they mean for a store. https://sqlite.org/rescode.html */
const byResult: Readonly<Record<number, Known>> = {
  3: mayNot,
  5: {
    code: 'unavailable',
    hint: 'another process keeps the store locked: see which (fuser FILE), and whether it has stopped',
  },
  6: { code: 'unavailable' },
  7: { code: 'exhausted', hint: 'give the process more memory' },
  8: mayNot,
  10: { code: 'unavailable', hint: 'check the disk and the file system; it has to be a local one' },
  11: {
    code: 'corrupt',
    hint: 'stop all nodes, move the file with its -wal and -shm away, and restore or declare anew what was in it',
  },
  13: makeRoom,
  14: { code: 'unavailable', hint: 'check the path and the permissions of the file and its folder' },
  22: { code: 'unsupported', hint: 'keep the store on a local file system' },
  23: mayNot,
  26: {
    code: 'config_invalid',
    hint: 'the file is no SQLite database: name another, or move it away for a new store to be made',
  },
};

/** Extended ones that say more: the shared-memory file could not grow; no memory for I/O. */
const byExtendedResult: Readonly<Record<number, Known>> = {
  4874: makeRoom,
  3082: { code: 'exhausted', hint: 'give the process more memory' },
};

const bySystem: Readonly<Record<string, Known>> = {
  ENOENT: { code: 'config_invalid', hint: 'make the folder first, or correct the path' },
  ENOTDIR: { code: 'config_invalid', hint: 'a part of the path is a file: correct the path' },
  ENAMETOOLONG: { code: 'config_invalid', hint: 'shorten the path' },
  EACCES: mayNot,
  EPERM: mayNot,
  EROFS: mayNot,
  ENOSPC: makeRoom,
  EDQUOT: makeRoom,
  EMFILE: { code: 'exhausted', hint: 'raise the limit of open files (ulimit -n)' },
  ENFILE: { code: 'exhausted', hint: 'raise the limit of open files' },
};

/** The primary result code of SQLite behind an error; undefined when it is not SQLite's. */
export function resultOf(caught: unknown): number | undefined {
  const { code, errcode } = caught as { code?: unknown; errcode?: number };
  return code === 'ERR_SQLITE_ERROR' && errcode !== undefined ? errcode & 0xff : undefined;
}

/** Foreign errors stop here. `what` says what was tried, and on which file. */
export function storeError(caught: unknown, what: string): HoldfastError {
  for (let at: unknown = caught; at instanceof Error; at = at.cause) {
    if (at instanceof HoldfastError) return at;
    const known = knownOf(at);
    if (known) {
      return new HoldfastError(known.code, `could not ${what}: ${at.message}`, {
        hint: known.hint,
        cause: caught,
      });
    }
  }
  const { reason } = HoldfastError.from(caught);
  return new HoldfastError('internal', `could not ${what}: ${reason}`, { cause: caught });
}

function knownOf(error: Error): Known | undefined {
  const result = resultOf(error);
  if (result !== undefined) {
    return byExtendedResult[(error as Error & { errcode: number }).errcode] ?? byResult[result];
  }
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return bySystem[code] ?? { code: 'unavailable' };
}

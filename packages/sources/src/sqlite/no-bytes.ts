import { statSync } from 'node:fs';
import type { Finding } from '@holdfast/core';

/**
 * A file without bytes is an empty database to SQLite. To a backup it is one that a failed copy, a full disk or a wrong
 * path has left: a good backup of it would push real ones out. One that is empty on purpose has a first page.
 */
export function noBytesFindings(
  files: readonly { readonly name: string; readonly path: string }[],
): readonly Finding[] {
  return files
    .filter(({ path }) => statSync(path).size === 0)
    .map(({ name, path }) => ({
      check: `${name}: content`,
      ok: false,
      severity: 'error',
      code: 'precondition_failed',
      message: `${path} has no bytes: there is nothing to back up`,
      hint: 'is the path right, and did something empty the file? If the database is to be empty, VACUUM writes its first page',
    }));
}

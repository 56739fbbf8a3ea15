import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own for one test: `await using folder = await temporaryFolder()`. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
  /** A path inside the folder. */
  join(...parts: string[]): string;
}

/** Makes an empty folder in the machine's place for temporary files; disposing it removes it with its content. */
export async function temporaryFolder(prefix = 'holdfast-test'): Promise<TemporaryFolder> {
  // The real path: /tmp is a symbolic link on some machines, and code under test may compare resolved paths.
  const path = await realpath(await mkdtemp(join(tmpdir(), `${prefix}-`)));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

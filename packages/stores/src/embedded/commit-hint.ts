import { statSync } from 'node:fs';

/** Of looks that find the log as it was: then the database is asked all the same. */
const looksMax = 10;

/**
 * Whether some process may have committed since the last look, told from the state of SQLite's log: each commit writes
 * to it. Asking the thread ten times a second costs more than all other waiting together; this costs next to nothing.
 */
export class CommitHint {
  readonly #log: string;
  #last: string | undefined = 'never looked';
  #same = 0;

  constructor(databasePath: string) {
    this.#log = `${databasePath}-wal`;
  }

  mayHaveCommitted(): boolean {
    // Looking opens no handle of the file: closing one would drop SQLite's locks.
    const stat = statSync(this.#log, { bigint: true, throwIfNoEntry: false });
    const state = stat && `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
    this.#same = state === this.#last ? this.#same + 1 : 0;
    this.#last = state;
    // Once more after each change: another commit in the same tick of the file system's clock leaves no other trace.
    return this.#same < 2 || this.#same % looksMax === 0;
  }
}

import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { SegmentEntry } from '@holdfast/core';
import { systemCode } from './errors.ts';

/**
 * What happened to one object at one destination.
 * - `sending`: written before anything is sent, synced: what is there may be ours;
 * - `stored`: it is there;
 * - `foreign`: it is there, and is not ours: never to be deleted;
 * - `gone`: deleted again, or it belongs to a backup by now.
 */
export type JournalState = 'sending' | 'stored' | 'foreign' | 'gone';

export interface JournalLine {
  /** The destination's description. */
  readonly at: string;
  readonly key: string;
  readonly bytes: number;
  readonly state: JournalState;
}

/** Which objects a run may have at which destinations, known also after a crash. */
export class Journal implements AsyncDisposable {
  readonly #path: string;
  #handle: FileHandle | undefined;
  readonly #lines: Map<string, JournalLine>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string, lines: Map<string, JournalLine>) {
    this.#path = path;
    this.#lines = lines;
  }

  static async read(path: string): Promise<Journal> {
    const lines = new Map<string, JournalLine>();
    for (const line of await readLines(path)) lines.set(nameOf(line), line);
    return new Journal(path, lines);
  }

  /** What may be at this destination because of this run. */
  litterAt(destination: string): JournalLine[] {
    return [...this.#lines.values()].filter(
      ({ at, state }) => at === destination && (state === 'sending' || state === 'stored'),
    );
  }

  isStored(destination: string, key: string): boolean {
    return this.#lines.get(nameOf({ at: destination, key }))?.state === 'stored';
  }

  /** Durable when it resolves. */
  note(at: string, key: string, segment: Pick<SegmentEntry, 'bytes'>, state: JournalState): Promise<void> {
    const line: JournalLine = { at, key, bytes: segment.bytes, state };
    // One after the other: lines must not mix, and the last one about a key counts.
    const noted = this.#last.then(async () => {
      this.#handle ??= await open(this.#path, 'a', 0o600);
      await this.#handle.appendFile(`${JSON.stringify(line)}\n`);
      await this.#handle.datasync();
      this.#lines.set(nameOf(line), line);
    });
    this.#last = noted.catch(() => undefined);
    return noted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#handle?.close();
  }
}

function nameOf(line: Pick<JournalLine, 'at' | 'key'>): string {
  return `${line.at}\n${line.key}`;
}

/** A crash may have torn the last line: then what it would have said had not begun. */
async function readLines(path: string): Promise<JournalLine[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    try {
      const { at, key, bytes, state } = JSON.parse(line) as JournalLine;
      return typeof at === 'string' && typeof key === 'string' ? [{ at, key, bytes, state }] : [];
    } catch {
      return [];
    }
  });
}

import {
  type ChunksEvent,
  type Clock,
  isLastWord,
  type Observer,
  type ReadChunks,
  type RunEvent,
} from '@holdfast/core';

/** Ten a second are all that an eye can use; the engine tells of every chunk, the uploader of every block. */
const everyMs = 100;

export interface ThrottledObserver {
  readonly observe: Observer;
  /** Passes on what was held back. */
  readonly flush: () => void;
}

/**
 * Holds back progress that comes too soon after the last: of reading and of each destination the newest counts, what
 * was read is added up. Everything else passes at once, after what was told before it; only a chunk's step does not
 * wait, for there is one with each chunk.
 */
export function throttleProgress(observer: Observer, clock: Clock): ThrottledObserver {
  const held = new Held();
  let phase: string | undefined;
  let passedAtMs = Number.NEGATIVE_INFINITY;
  const flush = (): void => {
    for (const event of held.take()) observer(event);
  };
  const observe = (event: RunEvent): void => {
    if (event.kind === 'step' && event.step === 'chunk-written') {
      observer(event);
      return;
    }
    const turns = event.kind === 'progress' && event.phase !== phase;
    if (turns) {
      flush();
      phase = event.phase;
    }
    if (!held.put(event)) {
      flush();
      observer(event);
      return;
    }
    const nowMs = clock.elapsed();
    const last = event.kind === 'upload' && isLastWord(event.state);
    if (!turns && !last && nowMs - passedAtMs < everyMs) return;
    passedAtMs = nowMs;
    flush();
  };
  return { observe, flush };
}

/** What is held back, one event per kind and destination. */
class Held {
  #progress: RunEvent | undefined;
  #chunks: MergedChunks | undefined;
  readonly #uploads = new Map<number, RunEvent>();

  /** False for what is never held back. */
  put(event: RunEvent): boolean {
    switch (event.kind) {
      case 'progress':
        this.#progress = event;
        return true;
      case 'chunks':
        this.#chunks ??= new MergedChunks();
        this.#chunks.add(event);
        return true;
      case 'upload':
        this.#uploads.set(event.index, event);
        return true;
      default:
        return false;
    }
  }

  take(): RunEvent[] {
    const events: RunEvent[] = [];
    if (this.#progress) events.push(this.#progress);
    if (this.#chunks) events.push(this.#chunks.event());
    events.push(...this.#uploads.values());
    this.#progress = undefined;
    this.#chunks = undefined;
    this.#uploads.clear();
    return events;
  }
}

class MergedChunks {
  readonly #started: string[] = [];
  readonly #done = new Map<string, ReadChunks>();
  #tablesDone = 0;
  #chunksDone = 0;

  add({ started, done, tablesDone, chunksDone }: ChunksEvent): void {
    this.#started.push(...started);
    this.#tablesDone = tablesDone;
    this.#chunksDone = chunksDone;
    for (const { table, chunks, rows, bytes } of done) {
      const before = this.#done.get(table) ?? { chunks: 0, rows: 0, bytes: 0 };
      this.#done.set(table, {
        table,
        chunks: before.chunks + chunks,
        rows: before.rows + rows,
        bytes: before.bytes + bytes,
      });
    }
  }

  event(): ChunksEvent {
    return {
      kind: 'chunks',
      started: this.#started,
      done: [...this.#done.values()],
      tablesDone: this.#tablesDone,
      chunksDone: this.#chunksDone,
    };
  }
}

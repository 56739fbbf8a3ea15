import type { ChunkHeader, ChunkLoader, Sig } from '@holdfast/core';
import { CopySocket } from '../session/copy-socket.ts';
import type { Session } from '../session/session.ts';
import { fromTargetRecord, type TargetRecord } from '../session/url.ts';
import { noteLoad } from './journal.ts';
import { copyTarget } from './relation-of-chunk.ts';
import { openWork } from './work-sessions.ts';

/** What a worker thread needs to load into the database in the making. Holds the password: never store it. */
export interface LoaderData {
  readonly target: TargetRecord;
}

export async function openLoader(data: LoaderData, o: Sig): Promise<ChunkLoader> {
  return new Loader(await openWork(fromTargetRecord(data.target), o));
}

class Loader implements ChunkLoader {
  readonly #session: Session;
  readonly #copy: CopySocket;

  constructor(session: Session) {
    this.#session = session;
    this.#copy = new CopySocket(session);
  }

  async load(
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    o: Sig & { readonly id: string },
  ): Promise<{ readonly rows: number }> {
    const session = this.#session;
    const what = `loading ${header.chunk}`;
    await session.exec('BEGIN', what);
    try {
      // Straight into the leaf: its partitioned table would look for the leaf of each row anew. Without FREEZE: it
      // needs the table to itself (no second loader), and measured no faster.
      const sql = `COPY ${copyTarget(header)} FROM STDIN`;
      const { rows } = await this.#copy.copyIn(sql, untilAborted(blocks, o.signal), {
        signal: o.signal,
        what,
        columns: header.columns.length,
      });
      o.signal.throwIfAborted();
      await session.exec(`${noteLoad(o.id, rows)}; COMMIT`, what);
      return { rows };
    } catch (caught) {
      // A connection that is gone has taken its transaction with it.
      if (session.alive) await session.exec('ROLLBACK', what).catch(() => {});
      throw caught;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** Blocks may come without a wait between them: then nobody but this loop could notice that it is to end. */
async function* untilAborted(
  blocks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) {
    signal.throwIfAborted();
    yield block;
  }
}

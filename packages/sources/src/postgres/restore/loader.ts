import type { ChunkHeader, ChunkLoader, Sig } from '@holdfast/core';
import { CopySocket } from '../session/copy-socket.ts';
import { openSession, type Session } from '../session/session.ts';
import { fromTargetRecord, type TargetRecord } from '../session/url.ts';
import { noteLoad } from './journal.ts';
import { copyTarget } from './relation-of-chunk.ts';

/** What a worker thread needs to load into the database in the making. Holds the password: never store it. */
export interface LoaderData {
  readonly target: TargetRecord;
}

export async function openLoader(data: LoaderData, o: Sig): Promise<ChunkLoader> {
  const session = await openSession(fromTargetRecord(data.target), { signal: o.signal, lockTimeoutMs: 0 });
  try {
    await session.exec(loaderSettings(session.version), 'preparing a session for loading');
    return new Loader(session);
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

/**
 * - `synchronous_commit` off: a load's commit does not wait for the disk. Nothing is lost by it: the log is written
 *   in order, and the rename of `publish` commits synchronously, so that whatever has its name is on disk whole. If the
 *   server crashes before, loads and their journal entries are gone together.
 * - `client_connection_check_interval`: a server process whose client was killed ends instead of working on.
 */
export function loaderSettings(version: number): string {
  const settings = ['SET synchronous_commit = off', 'SET default_transaction_read_only = off'];
  if (version >= 140_000) settings.push("SET client_connection_check_interval = '5s'");
  return settings.join(';');
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
      // Straight into the leaf: routing each row through its partitioned table would look for it 1 row at a time.
      const sql = `COPY ${copyTarget(header)} FROM STDIN`;
      const { rows } = await this.#copy.copyIn(sql, blocks, { signal: o.signal, what });
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

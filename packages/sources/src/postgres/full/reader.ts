import { type ChunkPlan, type ChunkReader, HoldfastError, type ReadResult, type Sig } from '@holdfast/core';
import { CopySocket } from '../session/copy-socket.ts';
import { openSession, pinnedTo, type Session } from '../session/session.ts';
import { fromTargetRecord, type TargetRecord, toTargetRecord } from '../session/url.ts';
import type { How } from './plan.ts';
import { beginView } from './snapshot.ts';

/** From which another thread opens a reader of the same view. Holds the password: never store it. */
export interface ReaderData {
  readonly target: TargetRecord;
  /** Absent: of the database as it is, not of a view (to read back what a restore has loaded). */
  readonly snapshot?: string;
}

export function readerData(session: Session, snapshot?: string): ReaderData {
  return { target: toTargetRecord(pinnedTo(session)), ...(snapshot === undefined ? {} : { snapshot }) };
}

/** A connection of its own that has joined the view. */
export async function openReader(data: ReaderData, o: Sig): Promise<ChunkReader> {
  const session = await openSession(fromTargetRecord(data.target), { signal: o.signal });
  try {
    if (data.snapshot === undefined) return new CopyReader(session);
    await beginView(session, data.snapshot);
    await session.exec(`SAVEPOINT ${readerSavepoint}`, 'joining the view');
    return new CopyReader(session, { savepoint: readerSavepoint });
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

const readerSavepoint = 'holdfast_reader';

/**
 * A transaction keeps the lock of every table that it read, and the server's room for locks is shared by all sessions
 * (64 each by default): after so many, a reader gives back its own. The view itself keeps what protects them.
 */
const locksMax = 64;

/** Reads chunks with COPY. Owns its session. */
export class CopyReader implements ChunkReader {
  readonly #session: Session;
  readonly #copy: CopySocket;
  readonly #savepoint: string | undefined;
  #locks = 0;

  /** `savepoint`: where its transaction may go back to between two chunks. */
  constructor(session: Session, o: { readonly savepoint?: string } = {}) {
    this.#session = session;
    this.#copy = new CopySocket(session);
    this.#savepoint = o.savepoint;
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    const how = chunk.how as How;
    if (how.kind === 'schema') {
      throw new HoldfastError('internal', 'the schema is read by the view itself, not by a reader');
    }
    const what = `reading ${how.name}`;
    let rows = 0;
    try {
      if (this.#savepoint !== undefined && this.#locks >= locksMax) {
        await this.#session.exec(`ROLLBACK TO ${this.#savepoint}`, what);
        this.#locks = 0;
      }
      for (const sql of how.kind === 'copy' ? [how.sql] : how.sql) {
        this.#locks++;
        rows += (yield* this.#copy.copyOut(sql, { signal: o.signal, what })).rows;
      }
    } catch (caught) {
      throw explain(caught, how.name);
    }
    return { rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** What a server's error means to whoever reads a planned chunk. */
function explain(caught: unknown, name: string): unknown {
  if (!(caught instanceof HoldfastError)) return caught;
  if (caught.code === 'not_found') {
    // It was there when the view was planned: nothing to look for, and nothing that lasts.
    return new HoldfastError('source_failed', `${caught.reason}: it was dropped or renamed meanwhile`, {
      hint: 'run again',
      cause: caught,
    });
  }
  // The server of an SQL_ASCII database keeps bytes whatever they mean, and refuses to send as UTF-8 what is none.
  // JSON is UTF-8, and bytes changed to fit would be another database. 22P05: no such character in UTF-8.
  if (/SQLSTATE (?:22021|22P05)\]$/.test(caught.reason)) {
    return new HoldfastError('unsupported', `${name} holds text that is not UTF-8: ${caught.reason}`, {
      hint: 'find out which encoding the text has, and move the data into a database of that encoding',
      cause: caught,
    });
  }
  return caught;
}

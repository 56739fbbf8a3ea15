import { type ChunkPlan, type ChunkReader, HoldfastError, type ReadResult, type Sig } from '@holdfast/core';
import { CopySocket } from '../session/copy-socket.ts';
import { openSession, type Session } from '../session/session.ts';
import { fromTargetRecord, type Target, type TargetRecord, toTargetRecord } from '../session/url.ts';
import type { How } from './plan.ts';
import { beginView } from './snapshot.ts';

/** From which another thread opens a reader of the same view. Holds the password: never store it. */
export interface ReaderData {
  readonly target: TargetRecord;
  /** Absent: of the database as it is, not of a view (to read back what a restore has loaded). */
  readonly snapshot?: string;
}

/** Where the session is, and nowhere else: other hosts of the URL do not know the snapshot. */
export function pinnedTo(session: Session): Target {
  return { ...session.target, database: session.database, hosts: [session.wire.host], role: 'any' };
}

export function readerData(session: Session, snapshot?: string): ReaderData {
  return { target: toTargetRecord(pinnedTo(session)), ...(snapshot === undefined ? {} : { snapshot }) };
}

/** A connection of its own that has joined the view. */
export async function openReader(data: ReaderData, o: Sig): Promise<ChunkReader> {
  const session = await openSession(fromTargetRecord(data.target), { signal: o.signal });
  try {
    if (data.snapshot !== undefined) await beginView(session, data.snapshot);
    return await CopyReader.open(session);
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

/** Reads chunks with COPY. Owns its session. */
export class CopyReader implements ChunkReader {
  readonly #session: Session;
  readonly #copy: CopySocket;
  readonly #mayHoldOtherThanUtf8: boolean;

  private constructor(session: Session, mayHoldOtherThanUtf8: boolean) {
    this.#session = session;
    this.#copy = new CopySocket(session);
    this.#mayHoldOtherThanUtf8 = mayHoldOtherThanUtf8;
  }

  static async open(session: Session): Promise<CopyReader> {
    const [row] = await session.rows<{ encoding: string }>(
      `SELECT pg_catalog.current_setting('server_encoding') AS encoding`,
    );
    return new CopyReader(session, row?.encoding === 'SQL_ASCII');
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    const how = chunk.how as How;
    if (how.kind === 'schema') {
      throw new HoldfastError('internal', 'the schema is read by the view itself, not by a reader');
    }
    const what = `reading ${how.name}`;
    let rows = 0;
    try {
      for (const sql of how.kind === 'copy' ? [how.sql] : how.sql) {
        const blocks = this.#copy.copyOut(sql, { signal: o.signal, what });
        rows += (yield* this.#mayHoldOtherThanUtf8 ? onlyUtf8(blocks, how.name) : blocks).rows;
      }
    } catch (caught) {
      throw vanished(caught);
    }
    return { rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** It was there when the view was planned: nothing that the operator could look for, and nothing that lasts. */
function vanished(caught: unknown): unknown {
  if (!(caught instanceof HoldfastError) || caught.code !== 'not_found') return caught;
  return new HoldfastError('source_failed', `${caught.reason}: it was dropped or renamed meanwhile`, {
    hint: 'run again',
    cause: caught,
  });
}

/**
 * The server of an SQL_ASCII database sends bytes as they were stored, whatever they meant. JSON is UTF-8, and so what
 * is not UTF-8 has no place in a backup; bytes changed to fit would be another database.
 */
async function* onlyUtf8(
  blocks: AsyncGenerator<Uint8Array, ReadResult, void>,
  name: string,
): AsyncGenerator<Uint8Array, ReadResult, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (block: Uint8Array | undefined): void => {
    try {
      // A block may end inside of a character: the decoder remembers.
      decoder.decode(block, { stream: block !== undefined });
    } catch (cause) {
      throw new HoldfastError(
        'unsupported',
        `${name} holds text that is not UTF-8, in a database of encoding SQL_ASCII`,
        {
          hint: 'find out what encoding the text has, and move the data into a database of that encoding; or back it up as a snapshot (type: snapshot), which copies files',
          cause,
        },
      );
    }
  };
  try {
    for (;;) {
      const next = await blocks.next();
      if (next.done) {
        check(undefined);
        return next.value;
      }
      check(next.value);
      yield next.value;
    }
  } finally {
    await blocks.return({ rows: 0 });
  }
}

import { CopyToJson } from '../copy/copy-to-json.ts';
import { JsonToCopy } from '../copy/json-to-copy.ts';
import { CopyIn } from './copy-in.ts';
import { CopyOut } from './copy-out.ts';
import { fromAbort } from './errors.ts';
import { queryMessage } from './messages.ts';
import type { Session } from './session.ts';

export interface CopyOptions {
  readonly signal: AbortSignal;
  /** For errors: `reading public.orders`. */
  readonly what: string;
}

/**
 * COPY on a session's own socket, past `pg`: bytes go from the socket into WebAssembly memory and out as lines of JSON
 * arrays. One COPY at a time; between them the session takes statements as ever.
 */
export class CopySocket {
  readonly session: Session;
  #codec: CopyToJson | undefined;
  #back: JsonToCopy | undefined;

  constructor(session: Session) {
    this.session = session;
  }

  /**
   * Runs `COPY … TO STDOUT` and yields JSON lines, cut anywhere; each block is valid until the next is asked for.
   * Returns the rows that the server says it sent, after comparing them with those that came. A reader that stops
   * early, or whose signal aborts, costs the session its connection: the server has to be stopped.
   */
  async *copyOut(sql: string, o: CopyOptions): AsyncGenerator<Uint8Array, { readonly rows: number }, void> {
    const { session } = this;
    const release = await session.acquire();
    this.#codec ??= new CopyToJson();
    const codec = this.#codec;
    const incoming = new CopyOut(codec);
    const stop = (): void => void session.cancel();
    try {
      o.signal.throwIfAborted();
      session.throwIfLost();
      o.signal.addEventListener('abort', stop, { once: true });
      session.wire.tap(incoming);
      session.wire.write(queryMessage(sql));
      for (;;) {
        const state = await incoming.ready();
        if (state === 'done') break;
        yield codec.take();
        codec.release();
        if (incoming.proceed()) session.wire.resume();
      }
      const last = codec.take();
      if (last.length > 0) yield last;
      codec.release();
      return { rows: incoming.rows() };
    } catch (caught) {
      if (o.signal.aborted) throw fromAbort(o.signal);
      throw session.explain(caught, o.what);
    } finally {
      o.signal.removeEventListener('abort', stop);
      if (incoming.done) {
        session.wire.tap(undefined);
        // After an error the block may still hold rows that nobody asked for.
        codec.release();
      } else {
        this.#codec = undefined;
        await session.cancel();
      }
      release();
    }
  }

  /**
   * Runs `COPY … FROM STDIN` with the rows of these JSON lines, cut anywhere. Resolves with the rows that the server
   * says it took, after comparing them with those that were sent. After a refusal (by the server, or because the lines
   * or their source are bad) the session can be used again; after an abort it cannot.
   */
  async copyIn(
    sql: string,
    blocks: AsyncIterable<Uint8Array>,
    o: CopyOptions & { readonly columns: number },
  ): Promise<{ readonly rows: number }> {
    const { session } = this;
    const release = await session.acquire();
    this.#back ??= new JsonToCopy();
    const codec = this.#back;
    const outgoing = new CopyIn(session.wire, codec);
    const stop = (): void => void session.cancel();
    try {
      o.signal.throwIfAborted();
      session.throwIfLost();
      o.signal.addEventListener('abort', stop, { once: true });
      codec.reset({ columns: o.columns });
      session.wire.tap(outgoing);
      return { rows: await outgoing.run(sql, blocks) };
    } catch (caught) {
      if (o.signal.aborted) throw fromAbort(o.signal);
      throw session.explain(caught, o.what);
    } finally {
      o.signal.removeEventListener('abort', stop);
      if (outgoing.done) session.wire.tap(undefined);
      else await session.cancel();
      codec.release();
      release();
    }
  }
}

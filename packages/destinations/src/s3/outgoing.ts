import { ClientRequest } from 'node:http';
import { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { abortError, type Clock, type Sig, throwIfAborted } from '@holdfast/core';

/** How much of a body the client may take before the network has taken it. */
const aheadBytes = 262_144;
/** What a server that has been asked to store may take to say whether it did, once nobody wants it any more. */
const graceMs = 5_000;

export interface Outgoing<T> extends Sig {
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly clock: Clock;
  /** Sends the body; ends it when the signal aborts. */
  readonly send: (body: Readable, o: Sig) => Promise<T>;
}

/** Passes an abort on at once until the point of no return, and after it only when the answer does not come. */
class LateAbort implements Disposable {
  readonly #o: Sig & { readonly clock: Clock };
  readonly #stop = new AbortController();
  readonly #over = new AbortController();
  #committed = false;

  constructor(o: Sig & { readonly clock: Clock }) {
    throwIfAborted(o.signal);
    this.#o = o;
    o.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** From here on the server may have done it: an abort comes too late. @throws when it came before */
  commit(): void {
    throwIfAborted(this.#o.signal);
    this.#committed = true;
  }

  stop(): void {
    this.#stop.abort();
  }

  [Symbol.dispose](): void {
    this.#o.signal.removeEventListener('abort', this.#onAbort);
    this.#over.abort();
  }

  readonly #onAbort = (): void => {
    const answered = this.#committed ? this.#o.clock.sleep(graceMs, this.#over.signal) : Promise.resolve();
    answered.then(
      () => this.#stop.abort(),
      () => undefined,
    );
  };
}

/**
 * Sends one body. The last piece is held back until it is certain that the object is wanted: a server that has not got
 * all bytes stores nothing, one that has may store them after its client has gone. An abort after that comes too late,
 * and what the server says is waited for.
 */
export async function sendOutgoing<T>(o: Outgoing<T>): Promise<T> {
  const { signal, clock, send } = o;
  using late = new LateAbort({ signal, clock });
  let failure: { readonly error: unknown } | undefined;
  async function* held(): AsyncGenerator<Uint8Array> {
    let last: Uint8Array | undefined;
    for await (const piece of o.pieces) {
      if (last) yield last;
      last = piece;
    }
    late.commit();
    if (last) yield last;
  }
  const body = Readable.from(held(), { objectMode: false, highWaterMark: aheadBytes });
  late.signal.addEventListener('abort', resetterOf(body), { once: true });
  body.on('error', (error) => {
    // The client does not look at the errors of a body: it would wait for ever.
    failure ??= { error };
    late.stop();
  });
  try {
    return await send(body, { signal: late.signal });
  } catch (error) {
    if (failure) throw failure.error;
    if (late.signal.aborted) throw abortError(signal);
    throw error;
  } finally {
    body.destroy();
  }
}

/**
 * Ends the connection of the request that the client pipes the body into so that what the kernel has taken, and not yet
 * sent, is dropped. A connection that is only closed delivers it: a server that was silent for a while would store the
 * object later on. Where it is encrypted nobody but the kernel can do so, and what it has taken may still arrive.
 */
function resetterOf(body: Readable): () => void {
  let request: NodeJS.WritableStream | undefined;
  const pipe = body.pipe.bind(body);
  body.pipe = (destination, o) => {
    request = destination;
    return pipe(destination, o);
  };
  return () => {
    // One that was answered has given its connection back, perhaps to another request.
    if (!(request instanceof ClientRequest) || request.destroyed) return;
    if (request.socket && !(request.socket instanceof TLSSocket)) request.socket.resetAndDestroy();
  };
}

/** Asks for what cannot be taken back. An abort before stops it; one after waits for the answer. */
export async function commit<T>(o: Sig & { readonly clock: Clock }, act: (o: Sig) => Promise<T>): Promise<T> {
  using late = new LateAbort(o);
  late.commit();
  try {
    return await act({ signal: late.signal });
  } catch (error) {
    if (late.signal.aborted) throw abortError(o.signal);
    throw error;
  }
}

/** A buffer in pieces, so that the client looks at an early answer before it has sent everything. */
export async function* piecesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += aheadBytes) yield bytes.subarray(at, at + aheadBytes);
}

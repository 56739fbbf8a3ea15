import { type Clock, deadline, HoldfastError, type Secret, throwIfAborted } from '@holdfast/core';
import type { NamedRoute } from '../contract/contract.ts';
import { answerError, connectionError } from './answer-error.ts';
import { buildRequest } from './build-request.ts';
import { Unanswered } from './unanswered.ts';

/** The part of `fetch` that is used. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly signal: AbortSignal;
    readonly redirect: 'manual';
  },
) => Promise<Response>;

export interface ConnectionOptions {
  readonly url: URL;
  readonly token: Secret | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Until an answer has come whole; of streams: until anything has come. */
  readonly timeoutMs: number;
}

/** On answers of a server that stops, and has not begun with what it was asked for. */
export const notBegunHeader = 'holdfast-not-begun';

export const answerBytesMax = 64 * 1024 * 1024;

/** Sends requests to one server and says in our words what went wrong with them. */
export class Connection {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /** As people name the server. */
  get server(): string {
    return this.#options.url.href.replace(/\/$/, '');
  }

  /** The whole answer as text, with a status that the route has for good answers. */
  async text(route: NamedRoute, given: Given, o: Limit = {}): Promise<string> {
    const { clock } = this.#options;
    const { timeoutMs = this.#options.timeoutMs } = o;
    // A long poll may take as long as it asked for.
    const waitMs = typeof given.wait === 'string' ? Number.parseInt(given.wait, 10) * 1000 : 0;
    using limit = deadline(clock, timeoutMs + waitMs, `the answer of ${this.server}`);
    const signal = AbortSignal.any([given.signal, limit.signal]);
    return await this.#within(limit.signal, given, () =>
      this.translated(signal, async () => {
        const response = await this.#send(route, given, signal);
        return await bodyText(response, this.server);
      }),
    );
  }

  /** The answer's body as it comes; the caller reads it inside `translated`. */
  async stream(route: NamedRoute, given: Given, o: Limit = {}): Promise<ReadableStream<Uint8Array>> {
    const { timeoutMs = this.#options.timeoutMs } = o;
    using limit = deadline(this.#options.clock, timeoutMs, `the answer of ${this.server}`);
    // The limit is for the beginning: what aborts later is the caller's signal alone.
    const opening = AbortSignal.any([given.signal, limit.signal]);
    return await this.#within(limit.signal, given, () =>
      this.translated(opening, async () => {
        const response = await this.#send(route, given, opening);
        return response.body ?? new Blob([]).stream();
      }),
    );
  }

  /** What took too long, though the caller still waits, was not answered; nobody knows whether it was done. */
  async #within<T>(limit: AbortSignal, { signal }: Given, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (caught) {
      if (limit.aborted && !signal.aborted) throw new Unanswered(HoldfastError.from(limit.reason), true);
      throw caught;
    }
  }

  /** Runs what talks to the server: an abort rejects with its reason, what went wrong underneath with ours. */
  async translated<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    try {
      return await work();
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof HoldfastError) throw error;
      throw connectionError(error, this.server);
    }
  }

  async #send(route: NamedRoute, given: Given, signal: AbortSignal): Promise<Response> {
    const { url, token, fetch } = this.#options;
    const { method, path, body } = buildRequest(route, given);
    const response = await fetch(`${url.origin}${url.pathname.replace(/\/$/, '')}${path}`, {
      method,
      headers: {
        accept: 'application/json, text/plain, text/event-stream',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
      // A redirect would take the token to where it was not meant for.
      redirect: 'manual',
    });
    if (response.status === route.status) return response;
    const text = await bodyText(response, this.server);
    if (response.status === route.otherStatus?.status && !text.startsWith('{"error"')) {
      return new Response(text, { status: response.status });
    }
    const error = answerError(response.status, text, this.server);
    throw response.headers.has(notBegunHeader) ? new Unanswered(error, false) : error;
  }
}

interface Limit {
  /** Instead of the connection's own. */
  readonly timeoutMs?: number;
}

export type Given = Readonly<Record<string, unknown>> & { readonly signal: AbortSignal };

async function bodyText(response: Response, server: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.length;
    if (sizeBytes > answerBytesMax) {
      throw new HoldfastError('exhausted', `the answer of ${server} is larger than ${answerBytesMax} bytes`, {
        hint: 'ask for fewer at once',
      });
    }
    parts.push(part);
  }
  return await new Blob(parts as Uint8Array<ArrayBuffer>[]).text();
}

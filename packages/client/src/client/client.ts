import { type Clock, HoldfastError, type Secret, type Sig, SystemClock } from '@holdfast/core';
import type { z } from 'zod';
import {
  type ArgumentsOf,
  contract,
  type NamedRoute,
  type OutputOf,
  type RouteNameOf,
  routes,
} from '../contract/contract.ts';
import type { ApiEvent } from '../contract/views.ts';
import { Connection, type Fetch, type Given } from './connection.ts';
import { httpsFetch } from './https-fetch.ts';
import { readEvents } from './read-events.ts';
import { Servers } from './servers.ts';
import { splitLines } from './split-lines.ts';
import { serverUrls } from './url.ts';

export interface ClientOptions {
  /** `http://127.0.0.1:6362`, or several of one cluster: `http://a:6362,b:6362`. */
  readonly url: string;
  readonly token?: Secret | undefined;
  /** Certificates (PEM) of an authority to trust besides the usual ones. */
  readonly ca?: string | undefined;
  readonly clock?: Clock;
  /** How long an answer may take; a long poll's wait comes on top. */
  readonly timeoutMs?: number;
  readonly fetch?: Fetch;
}

/** One method for each route, by its name: everything that it takes in one object, with the signal. */
export type ClientCalls = {
  readonly [N in RouteNameOf<'json' | 'text'>]: (o: ArgumentsOf<N> & Sig) => Promise<OutputOf<N>>;
} & {
  readonly [N in RouteNameOf<'lines'>]: (o: ArgumentsOf<N> & Sig) => AsyncGenerator<OutputOf<N>, void, void>;
};

/** Three heartbeats of the server. */
const silenceMs = 45_000;

/**
 * A node's API, or that of a cluster by several of its nodes. Errors are HoldfastErrors with the code and hint that the
 * node gave; a node that cannot be reached is `unavailable`, once none of those that are named can be. Nothing is asked
 * twice that may have been done: the caller knows what may be.
 */
export class Client extends (callsByRoute() as new (servers: Servers) => ClientCalls) {
  readonly #servers: Servers;

  /** @throws HoldfastError config_invalid */
  constructor(options: ClientOptions) {
    const settings = {
      token: options.token,
      fetch: options.fetch ?? (options.ca === undefined ? fetch : httpsFetch(options.ca)),
      clock: options.clock ?? new SystemClock(),
      timeoutMs: options.timeoutMs ?? 60_000,
    };
    const urls = serverUrls(options.url, options.token !== undefined);
    const servers = new Servers(urls.map((url) => new Connection({ ...settings, url })));
    super(servers);
    this.#servers = servers;
  }

  /** As people name the server; of several, the one that has answered last. */
  get server(): string {
    return this.#servers.server;
  }

  /**
   * What changes at the node, as it changes, until the signal aborts. Events are not repeated: when this rejects (with
   * `unavailable`), read the lists anew after connecting again.
   */
  async *events(o: Sig): AsyncGenerator<ApiEvent & { readonly id: string }, void, void> {
    const route = { ...contract.streamEvents, name: 'streamEvents' as const };
    for await (const { id, name, data } of readEvents(linesOf(this.#servers, route, { signal: o.signal }))) {
      // A newer node has events that we know nothing of.
      const known = route.response.options.some((option) => option.shape.kind.value === name);
      if (known) yield { id, ...parsed(route.response, data, this.server) };
    }
    throw new HoldfastError('unavailable', `${this.server} has ended the stream of events`, {
      hint: 'connect again, and read the lists anew',
    });
  }
}

/** A class whose objects have a method for each route: the table says which. */
function callsByRoute(): unknown {
  return class {
    constructor(servers: Servers) {
      for (const route of routes) {
        if (route.kind === 'events') continue;
        Object.defineProperty(this, route.name, { value: (o: Given) => call(servers, route, o) });
      }
    }
  };
}

function call(servers: Servers, route: NamedRoute, o: Given): unknown {
  if (route.kind === 'lines') return documentLines(servers, route, o);
  return servers
    .text(route, o)
    .then((text) => (route.kind === 'text' ? text : parsed(route.response, text, servers.server)));
}

async function* documentLines(servers: Servers, route: NamedRoute, o: Given): AsyncGenerator<unknown> {
  for await (const line of linesOf(servers, route, o)) {
    if (line !== '') yield parsed(route.response, line, servers.server);
  }
}

async function* linesOf(servers: Servers, route: NamedRoute, o: Given): AsyncGenerator<string> {
  const { connection, stream } = await servers.stream(route, o);
  const { clock, server } = connection;
  const lines = splitLines(stream, { clock, silenceMs, server, signal: o.signal });
  // Step by step, so that only what the connection does is translated, not what the caller does with it.
  try {
    for (;;) {
      const { done, value } = await connection.translated(o.signal, () => lines.next());
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (!o.signal.aborted) servers.leave(connection);
    throw error;
  } finally {
    await lines.return();
  }
}

function parsed<S extends z.ZodType>(schema: S, text: string, server: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError('precondition_failed', `what answers at ${server} sends no JSON`, {
      hint: 'is the address right, and is a proxy in between',
      cause,
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new HoldfastError(
    'unsupported',
    `${server} answers in a form that this version does not know (${issue?.path.join('.')}: ${issue?.message})`,
    { hint: 'use the same version of Holdfast on both sides', cause: result.error },
  );
}

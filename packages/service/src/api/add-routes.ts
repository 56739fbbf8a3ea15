import { Readable } from 'node:stream';
import {
  bodyBytesMaxDefault,
  checkInput,
  contentTypes,
  type NamedRoute,
  openApi,
  type Readiness,
  type RouteName,
  routes,
} from '@holdfast/client';
import { type Clock, deadline, HoldfastError, version } from '@holdfast/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Admission } from './admission.ts';
import type { EventStreams } from './event-streams.ts';
import type { Asked, Handlers } from './handlers.ts';
import type { ApiLimits } from './limits.ts';
import type { PeerAdmission } from './peer-admission.ts';
import { queryValues } from './query-values.ts';
import { waitForRun } from './wait-for-run.ts';

export interface RoutesOptions {
  readonly handlers: Handlers;
  readonly admission: Admission;
  readonly peers: PeerAdmission;
  readonly streams: EventStreams;
  readonly clock: Clock;
  readonly limits: ApiLimits;
  /** Aborts when the server is asked to end: nothing waits for anything any more. */
  readonly draining: AbortSignal;
  /** Aborts when it ends: nobody will get an answer any more. */
  readonly stopped: AbortSignal;
}

type Input = Readonly<Record<string, unknown>> & Asked;
type Answer = (input: Input, request: FastifyRequest) => Promise<unknown>;

/** One Fastify route for each row of the contract. */
export function addRoutes(app: FastifyInstance, options: RoutesOptions): void {
  const own = ownAnswers(options);
  for (const route of routes) {
    const answer = own[route.name] ?? handlersAnswer(options.handlers, route.name);
    const sent = { params: route.params, querystring: route.query ?? z.strictObject({}), body: route.body };
    app.route({
      method: route.method,
      url: route.path.replace(/\{(\w+)\}/g, ':$1'),
      schema: Object.fromEntries(Object.entries(sent).filter(([, schema]) => schema !== undefined)),
      bodyLimit: route.bodyBytesMax ?? bodyBytesMaxDefault,
      validatorCompiler: ({ schema, httpPart }) => validator(schema as unknown as z.ZodObject, httpPart),
      config: { open: route.open === true },
      handler: async (request, reply) => {
        if (route.kind === 'events') return streamEvents(options.streams, reply);
        await handle(route, answer, { ...options, request, reply });
        return reply;
      },
    });
  }
}

/** Zod's answer in the form that Fastify asks for. */
function validator(
  schema: z.ZodObject,
  part = 'body',
): (value: unknown) => { value?: unknown; error?: Error } {
  const where = part === 'params' ? 'the path' : part === 'querystring' ? 'the query' : 'the body';
  return (value) => {
    try {
      return {
        value: checkInput(schema, part === 'querystring' ? queryValues(schema, value) : value, where),
      };
    } catch (error) {
      return { error: HoldfastError.from(error) };
    }
  };
}

function handlersAnswer(handlers: Handlers, name: RouteName): Answer {
  const methods = handlers as unknown as Readonly<Record<string, (input: Input) => Promise<unknown>>>;
  return async (input) => methods[name]?.(input);
}

/** What the server knows by itself, or does something to. */
function ownAnswers(options: RoutesOptions): Partial<Record<RouteName, Answer>> {
  const { handlers, admission, clock, draining } = options;
  const document = openApi();
  return {
    getHealth: async () => ({ live: true, version }),
    getOpenApi: async () => document,
    getReadiness: async ({ signal }, request): Promise<Readiness> => {
      const { ready, reasons } = await handlers.getReadiness({ signal });
      return { ready, reasons: admission.isAdmitted(request.raw) ? reasons : [] };
    },
    getRun: async ({ run, wait, signal, peer }) => {
      const of = { run: String(run), signal, peer };
      const waitMs = waitOf(wait);
      if (waitMs === 0) return handlers.getRun(of);
      return waitForRun(handlers, { ...of, waitMs, clock, draining });
    },
  };
}

function waitOf(wait: unknown): number {
  return typeof wait === 'string' ? Number.parseInt(wait, 10) * 1000 : 0;
}

interface Exchange extends RoutesOptions {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function handle(route: NamedRoute, answer: Answer, exchange: Exchange): Promise<void> {
  const { request, reply, clock, limits, stopped, peers } = exchange;
  const given = {
    ...(request.params as object),
    ...(request.query as object),
    ...(request.body as object | undefined),
  } as Record<string, unknown>;
  using limit = deadline(clock, limits.answerMs + waitOf(given.wait), 'the answer');
  // A write goes on without its caller: half of one would be worse than one that nobody waited for.
  const gone = route.writes ? [] : [disconnected(reply)];
  const signal = AbortSignal.any([limit.signal, stopped, ...gone]);
  const asked = { ...given, signal, peer: peers.peerOf(request.raw) };
  const value = await orAborted(answer(asked, request), signal);
  const status = route.otherStatus?.applies(value) ? route.otherStatus.status : route.status;
  reply.status(status).type(route.contentType ?? contentTypes[route.kind]);
  if (route.kind === 'lines') {
    reply.send(Readable.from(lines(route, value as AsyncIterable<unknown>), { objectMode: false }));
  } else {
    const checked = checkAnswer(route, value);
    reply.send(route.kind === 'text' ? checked : JSON.stringify(checked));
  }
}

async function* lines(route: NamedRoute, documents: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const document of documents) yield `${JSON.stringify(checkAnswer(route, document))}\n`;
}

/** An answer that is not of the contract is our own mistake, and is not passed on. */
function checkAnswer(route: NamedRoute, value: unknown): unknown {
  const checked = route.response.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new HoldfastError(
    'internal',
    `the answer of ${route.name} breaks the contract at ${issue?.path.join('.')}: ${issue?.message}`,
    { cause: checked.error },
  );
}

function disconnected(reply: FastifyReply): AbortSignal {
  const abort = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort(new HoldfastError('cancelled', 'the client has gone'));
  });
  return abort.signal;
}

/** A handler that does not listen to its signal must not keep its client waiting. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function streamEvents(streams: EventStreams, reply: FastifyReply): FastifyReply {
  streams.assertRoom();
  reply.hijack();
  streams.add(reply.raw);
  return reply;
}

import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { notBegunHeader, routes } from '@holdfast/client';
import { HoldfastError, nearestOf, type Secret } from '@holdfast/core';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Logger } from 'pino';
import type { Admission } from './admission.ts';
import { failureOf, notJson } from './api-error.ts';
import type { ApiLimits } from './limits.ts';
import type { PeerAdmission } from './peer-admission.ts';

export interface AppOptions {
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: Secret } | undefined;
  readonly logger: Logger;
  readonly limits: ApiLimits;
  readonly admission: Admission;
  readonly peers: PeerAdmission;
  /** Aborts when the server is asked to end. */
  readonly draining: AbortSignal;
}

/** On every answer, so that no browser makes more of it than it is. */
export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
} as const;

/** Fastify without routes yet: who is let in, what is refused, and how errors are answered. */
export function createApp(options: AppOptions): FastifyInstance {
  const { admission, peers, draining, logger, limits } = options;
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const failure = failureOf(error, request.id);
    const about = { request: request.id, method: request.method, url: request.url, status: failure.status };
    // The client is told of its own mistakes; ours are for the log.
    if (failure.error.code === 'internal') logger.error({ ...about, err: failure.error }, 'a request failed');
    else logger.debug({ ...about, code: failure.error.code }, failure.error.reason);
    if (failure.status === 401) reply.header('www-authenticate', 'Bearer');
    reply.status(failure.status).send(failure.body);
  };
  const app = bare(options, fail);
  app.setErrorHandler(fail);
  app.setNotFoundHandler((request, reply) => fail(unknownRoute(request), request, reply));
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    try {
      peers.checkBody(request.raw, String(body));
    } catch (error) {
      return done(HoldfastError.from(error));
    }
    return parse(request, String(body), done);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    if (draining.aborted) {
      reply.header(notBegunHeader, 'true');
      throw draining.reason;
    }
    if (!(request.routeOptions.config as { open?: boolean } | undefined)?.open) admission.check(request.raw);
    const type = request.headers['content-type'] ?? '';
    if (!request.is404 && request.method !== 'GET' && !/^application\/json\s*(?:;|$)/i.test(type))
      throw notJson();
  });
  app.addHook('onSend', async (_request, reply) => {
    // Otherwise a client that keeps its connection keeps the server.
    if (draining.aborted) reply.header('connection', 'close');
  });
  app.server.maxConnections = limits.connectionsMax;
  return app;
}

function bare({ tls, limits }: AppOptions, fail: FailWith): FastifyInstance {
  const settings = {
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    requestTimeout: limits.requestMs,
    routerOptions: { maxParamLength: 200 },
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: fail,
  };
  if (tls === undefined) return fastify(settings as object);
  try {
    return fastify({ ...settings, https: { cert: tls.cert, key: tls.key.reveal() } } as object);
  } catch (cause) {
    throw new HoldfastError('config_invalid', `the certificate or its key cannot be used: ${String(cause)}`, {
      hint: 'both are PEM, the key without a passphrase, and belong together',
      cause,
    });
  }
}

type FailWith = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

function unknownRoute({ method, url }: FastifyRequest): HoldfastError {
  const path = url.replace(/\?.*/s, '').slice(0, 200);
  const shape = (known: string): RegExp => new RegExp(`^${known.replace(/\{\w+\}/g, '[^/]+')}$`);
  const others = routes.filter((route) => shape(route.path).test(path));
  const known = routes.map((route) => `${route.method} ${route.path}`);
  const nearest = others[0]
    ? `${others.map((route) => route.method).join(', ')} ${others[0].path}`
    : nearestOf(`${method} ${path}`, known);
  return new HoldfastError('not_found', `there is no route ${method} ${path}`, {
    hint: nearest === undefined ? 'GET /openapi.json lists them' : `did you mean ${nearest}?`,
  });
}

const unreadable: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not come in time'],
  HPE_HEADER_OVERFLOW: [431, `the headers are larger than ${maxHeaderSize} bytes`],
};

/** What is no HTTP never becomes a request: it is answered on the bare connection. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, message] = unreadable[error.code ?? ''] ?? [400, 'what came is not HTTP'];
  const body = JSON.stringify({ error: { code: 'config_invalid', message } });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

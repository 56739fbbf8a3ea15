import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { isLoopback } from '@holdfast/client';
import { type Clock, HoldfastError, type Secret } from '@holdfast/core';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { addRoutes } from './add-routes.ts';
import { Admission } from './admission.ts';
import { EventStreams } from './event-streams.ts';
import { createApp, securityHeaders } from './fastify-app.ts';
import type { Handlers } from './handlers.ts';
import { type ApiLimits, apiLimits } from './limits.ts';
import {
  checkExposure,
  type ListenAddress,
  listenDefault,
  listenError,
  parseListen,
} from './listen-address.ts';
import { PeerAdmission } from './peer-admission.ts';

export interface ApiServerOptions {
  readonly handlers: Handlers;
  /** `host:port`; port 0 takes any free one. Default: `127.0.0.1:6362`. */
  readonly listen?: string | undefined;
  /** Names, with or without a port, by which clients may address the node, beyond those of its address. */
  readonly names?: readonly string[] | undefined;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: Secret } | undefined;
  readonly token?: Secret | undefined;
  /** The node's name, and what other nodes of its cluster sign their requests with. */
  readonly cluster?: { readonly node: string; readonly secret: Secret | undefined } | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits?: Partial<ApiLimits>;
}

/** Answers until it is disposed: then it takes no more requests, and gives those in flight a few seconds. */
export interface ApiServer extends AsyncDisposable {
  /** For clients on this machine. */
  readonly url: string;
  readonly address: ListenAddress;
  /** As they are served: `GET /v1/tasks/{task}`. */
  readonly routes: readonly string[];
  /** How many clients read events now. */
  readonly streams: number;
}

/**
 * Serves the contract.
 *
 * @throws HoldfastError config_invalid for an address that other machines reach without certificate and token;
 *   precondition_failed when the address is in use
 */
export async function openApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { handlers, clock, token, tls, logger, cluster } = options;
  const limits = { ...apiLimits, ...options.limits };
  const listen = parseListen(options.listen ?? listenDefault);
  checkExposure(listen, { tls: tls !== undefined, token: token !== undefined });
  if (token !== undefined) checkSecret('the token', token, limits);
  if (cluster?.secret !== undefined) checkSecret('cluster.secret', cluster.secret, limits);
  const draining = new AbortController();
  const stopped = new AbortController();
  const names = [...(options.names ?? []), ...(isIP(listen.host) === 0 ? [listen.host] : [])];
  const loopback = isLoopback(listen.host);
  const peers = new PeerAdmission({ node: cluster?.node ?? 'this node', secret: cluster?.secret, clock });
  const admission = new Admission({ token, tls: tls !== undefined, loopback, names, peers });
  const onSlow = (): void => logger.info('a reader of events did not keep up and was disconnected');
  const streams = new EventStreams({ clock, limits, headers: securityHeaders, onSlow });
  const app = createApp({ tls, logger, limits, admission, peers, draining: draining.signal });
  const served = collectRoutes(app);
  const signals = { draining: draining.signal, stopped: stopped.signal };
  addRoutes(app, { handlers, admission, peers, streams, clock, limits, ...signals });
  const address = await startListening(app, listen);
  const unsubscribe = handlers.subscribe((event) => {
    try {
      streams.send(event);
    } catch (error) {
      logger.error({ err: error }, 'an event could not be sent');
    }
  });
  streams.beat(draining.signal).catch(() => {});
  const close = async (): Promise<void> => {
    unsubscribe();
    draining.abort(stopping());
    streams.close();
    await closeWithin(app, { clock, closeMs: limits.closeMs, stopped });
  };
  let closing: Promise<void> | undefined;
  return {
    url: urlOf(address, tls !== undefined),
    address,
    routes: served,
    get streams() {
      return streams.count;
    },
    [Symbol.asyncDispose]: () => {
      closing ??= close();
      return closing;
    },
  };
}

function checkSecret(what: string, secret: Secret, { tokenCharactersMin }: ApiLimits): void {
  const text = secret.reveal();
  if (text.length >= tokenCharactersMin && /^[\x21-\x7e]+$/.test(text)) return;
  throw new HoldfastError(
    'config_invalid',
    `${what} is shorter than ${tokenCharactersMin} characters, or has other than printable ASCII in it`,
    { hint: 'make one with: openssl rand -hex 32' },
  );
}

function stopping(): HoldfastError {
  return new HoldfastError('unavailable', 'this node is stopping', {
    hint: 'try again later, or ask another node',
  });
}

/** Fills up as routes are added. */
function collectRoutes(app: FastifyInstance): readonly string[] {
  const served: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    served.push(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  return served;
}

async function startListening(app: FastifyInstance, listen: ListenAddress): Promise<ListenAddress> {
  try {
    await app.listen(listen);
  } catch (error) {
    await app.close().catch(() => {});
    throw listenError(error, listen);
  }
  const { address, port } = app.server.address() as AddressInfo;
  return { host: address, port };
}

interface Closing {
  readonly clock: Clock;
  readonly closeMs: number;
  readonly stopped: AbortController;
}

/** Requests in flight are answered, or, when the time is over, cut off. */
async function closeWithin(app: FastifyInstance, { clock, closeMs, stopped }: Closing): Promise<void> {
  const done = new AbortController();
  const cutOff = clock.sleep(closeMs, done.signal).then(
    () => {
      stopped.abort(stopping());
      app.server.closeAllConnections();
    },
    () => {},
  );
  await app.close();
  done.abort();
  await cutOff;
}

function urlOf({ host, port }: ListenAddress, tls: boolean): string {
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host;
  return `${tls ? 'https' : 'http'}://${name}:${port}`;
}

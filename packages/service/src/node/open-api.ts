import { Secret, type Sig } from '@holdfast/core';
import { type ApiServer, openApiServer } from '../api/index.ts';
import { interpolate } from '../interpolate.ts';
import { nodeHandlers } from './node-handlers.ts';
import type { NodeParts } from './node-parts.ts';
import { readPem } from './read-pem.ts';

/** Opens the API where and how the node's configuration says. */
export async function openApi(parts: NodeParts, o: Sig): Promise<ApiServer> {
  const { config, clock, logger, peers } = parts;
  const { address, tls, token, hosts } = config.listen;
  const { advertise } = config.cluster;
  return openApiServer({
    handlers: nodeHandlers(parts),
    listen: address,
    // Where other nodes find it, people may, too.
    names: URL.canParse(advertise ?? '') ? [...hosts, new URL(advertise ?? '').hostname] : hosts,
    cluster: { node: config.name, secret: peers.secret },
    clock,
    logger,
    ...(tls && {
      tls: {
        cert: await readPem('listen.tls.cert', tls.cert),
        key: new Secret(await readPem('listen.tls.key', tls.key)),
      },
    }),
    ...(token !== undefined && { token: new Secret(await interpolate(token, o)) }),
  });
}

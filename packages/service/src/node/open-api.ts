import { readFile } from 'node:fs/promises';
import { HoldfastError, Secret, type Sig } from '@holdfast/core';
import { type ApiServer, openApiServer } from '../api/index.ts';
import { interpolate } from '../interpolate.ts';
import { nodeHandlers } from './node-handlers.ts';
import type { NodeParts } from './node-parts.ts';

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
      tls: { cert: await readPem('cert', tls.cert), key: new Secret(await readPem('key', tls.key)) },
    }),
    ...(token !== undefined && { token: new Secret(await interpolate(token, o)) }),
  });
}

async function readPem(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError('config_invalid', `listen.tls.${field}: ${path} cannot be read: ${code}`, {
      hint: 'it must be a PEM file that this user may read',
      cause,
    });
  }
}

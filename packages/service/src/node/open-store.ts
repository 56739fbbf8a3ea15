import { type Clock, type ClusterStore, HoldfastError, Secret, type Sig } from '@holdfast/core';
import { openEmbeddedStore } from '@holdfast/stores/embedded';
import { openEtcdStore } from '@holdfast/stores/etcd';
import type { Logger } from 'pino';
import type { NodeConfig, StoreConfig } from '../config/node-config.ts';
import { interpolate } from '../interpolate.ts';
import { readPem } from './read-pem.ts';

export interface OpenStoreOptions extends Sig {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a look at a store that does not answer is apart from the next. */
const askAgainMs = 2000;

/**
 * Opens the store of the cluster. One that does not answer is an error at once, unless the node was told to wait for it.
 * @throws HoldfastError unavailable and the like, as the store says
 */
export async function openStore({ config, clock, logger, signal }: OpenStoreOptions): Promise<ClusterStore> {
  const { store, storeWaitMs } = config;
  if (store.type === 'embedded') return openEmbeddedStore({ path: store.path, clock }, { signal });
  const until = clock.elapsed() + storeWaitMs;
  for (let tries = 0; ; tries += 1) {
    try {
      return await openEtcd(store, { clock, signal });
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (!error.retryable || signal.aborted) throw error;
      if (clock.elapsed() >= until) throw tries === 0 ? neverReached(error) : error;
      if (tries === 0)
        logger.warn({ component: 'node', code: error.code }, `waiting for the store: ${error.reason}`);
      await clock.sleep(askAgainMs, signal);
    }
  }
}

async function openEtcd(
  { endpoints, prefix, user, password, tls }: Extract<StoreConfig, { type: 'etcd' }>,
  o: Sig & { readonly clock: Clock },
): Promise<ClusterStore> {
  const { clock, signal } = o;
  const files = tls && {
    ...(tls.ca !== undefined && { ca: await readPem('store.tls.ca', tls.ca) }),
    ...(tls.cert !== undefined && { cert: await readPem('store.tls.cert', tls.cert) }),
    ...(tls.key !== undefined && { key: await readPem('store.tls.key', tls.key) }),
  };
  return openEtcdStore(
    {
      endpoints,
      prefix,
      clock,
      ...(user !== undefined && { user }),
      ...(password !== undefined && { password: new Secret(await interpolate(password, { signal })) }),
      ...(files && { tls: files }),
    },
    { signal },
  );
}

function neverReached(cause: HoldfastError): HoldfastError {
  return new HoldfastError(cause.code, cause.reason, {
    hint: `${cause.hint === undefined ? '' : `${cause.hint}; `}a node starts only when it has reached its store once, or waits for it: store.wait in holdfast.yaml`,
    cause,
  });
}

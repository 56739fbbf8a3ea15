import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Clock, type ClusterStore, Secret, type Sig } from '@holdfast/core';
import { openEmbeddedStore } from '@holdfast/stores/embedded';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/node-config.ts';
import { interpolate } from '../interpolate.ts';
import { joinCluster, readIdentity } from './identity.ts';
import { NodeCore } from './node-core.ts';
import type { NodeParts } from './node-parts.ts';
import { openApi } from './open-api.ts';
import { openStore } from './open-store.ts';
import type { Execute } from './runner.ts';
import { lockState } from './state-lock.ts';
import type { Ending } from './supervisor.ts';

export interface NodeOptions extends Sig {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly execute?: Execute;
  /** Instead of the one that the configuration names; disposed with the node. */
  readonly store?: ClusterStore;
}

/** One node, ready to work: its state folder is its own, its store is open, its API answers. */
export class Node implements AsyncDisposable {
  readonly url: string;
  readonly #core: NodeCore;
  readonly #stack: AsyncDisposableStack;

  private constructor(core: NodeCore, url: string, stack: AsyncDisposableStack) {
    this.url = url;
    this.#core = core;
    this.#stack = stack;
  }

  /** @throws HoldfastError what stands in the way; then nothing was begun */
  static async open(options: NodeOptions): Promise<Node> {
    const { config, clock, logger, signal } = options;
    const { name, state } = config;
    await using stack = new AsyncDisposableStack();
    stack.use(await lockState(state, { clock, signal }));
    const identity = await readIdentity(state);
    const given = config.cluster.secret;
    const secret = given === undefined ? undefined : new Secret(await interpolate(given, { signal }));
    const store = stack.use(options.store ?? (await openStore({ config, clock, logger, signal })));
    // One that is on this machine anyway is not done without.
    const journal =
      config.store.type === 'embedded'
        ? undefined
        : stack.use(await openEmbeddedStore({ path: join(state, 'journal.db'), clock }, { signal }));
    const core = await NodeCore.open(
      {
        config,
        clock,
        logger,
        store,
        journal,
        instance: identity.instance,
        secret,
        execute: options.execute,
      },
      { signal },
    );
    const shared = { cluster: core.cluster, store: store.description };
    // A file that was deleted on purpose is a new cluster; a store on other machines is one that was mistaken.
    if (config.store.type !== 'embedded') await joinCluster(state, identity, shared);
    const api = stack.use(await openApi(core.parts, { signal }));
    await core.join({ signal, url: config.cluster.advertise ?? reachableUrl(api.url) });
    logger.info(
      { component: 'node', url: api.url, state, store: store.description },
      `node ${name} listens on ${api.url}`,
    );
    return new Node(core, api.url, stack.move());
  }

  get parts(): NodeParts {
    return this.#core.parts;
  }

  run(ending: Ending & { readonly kill: AbortSignal }): Promise<void> {
    return this.#core.run(ending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Of a node that listens on all of its addresses, others know the machine's name. */
function reachableUrl(url: string): string {
  return url.replace(/\/\/(?:0\.0\.0\.0|\[::\])(?=[:/]|$)/, `//${hostname()}`);
}

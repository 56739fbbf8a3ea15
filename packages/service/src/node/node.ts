import type { Clock, ClusterStore, Sig } from '@holdfast/core';
import { openEmbeddedStore } from '@holdfast/stores/embedded';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/node-config.ts';
import { NodeCore } from './node-core.ts';
import type { NodeParts } from './node-parts.ts';
import { openApi } from './open-api.ts';
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
    await using stack = new AsyncDisposableStack();
    stack.use(await lockState(config.state, { clock, signal }));
    const store = stack.use(
      options.store ?? (await openEmbeddedStore({ path: config.store.path, clock }, { signal })),
    );
    const core = await NodeCore.open({ config, clock, logger, store, execute: options.execute }, { signal });
    const api = stack.use(await openApi(core.parts, { signal }));
    const { name, state } = config;
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

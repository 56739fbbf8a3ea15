import { availableParallelism, homedir, hostname } from 'node:os';
import { type Clock, HoldfastError } from '@holdfast/core';
import { loadNodeConfig, type NodeConfig } from '../config/node-config.ts';
import { nodeLogger } from './logger.ts';
import { Node } from './node.ts';

export interface RunNodeOptions {
  /** Undefined: where one is looked for by itself. */
  readonly configFile?: string | undefined;
  readonly clock: Clock;
  /** Aborts at the first request to stop: running backups may finish for a while. */
  readonly signal: AbortSignal;
  /** Aborts at the second one. */
  readonly killSignal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly write: (text: string) => void;
  /** Told when the node works. */
  readonly onReady?: (node: Node) => void;
}

/**
 * Runs a node until it is told to stop.
 * @throws HoldfastError what keeps it from starting
 */
export async function runNode(o: RunNodeOptions): Promise<void> {
  const { clock, signal, killSignal } = o;
  const config: NodeConfig = await loadNodeConfig(o.configFile, {
    env: o.env,
    cores: availableParallelism(),
    homedir: homedir(),
    hostname: hostname(),
  });
  const logger = nodeLogger({ ...config.log, node: config.name, write: o.write });
  await using node = await Node.open({ config, clock, logger, signal });
  const stop = new AbortController();
  signal.addEventListener(
    'abort',
    () => {
      logger.info(
        { component: 'node', reason: HoldfastError.from(signal.reason).reason },
        'the node stops: running backups may finish',
      );
      clock.sleep(config.stop.drainForMs, killSignal).then(
        () => stop.abort(new HoldfastError('cancelled', 'running backups took too long to finish')),
        () => stop.abort(killSignal.reason),
      );
    },
    { once: true },
  );
  o.onReady?.(node);
  await node.run({ drain: signal, stop: stop.signal, kill: killSignal });
  logger.info({ component: 'node' }, 'the node has stopped');
}

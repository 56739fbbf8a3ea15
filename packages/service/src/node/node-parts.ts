import type { ClusterView, JournaledStore, Ledger } from '@holdfast/coordinator';
import type { Clock, ClusterStore } from '@holdfast/core';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/node-config.ts';
import type { DestinationTotals } from '../metrics/destination-totals.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import type { Outbox } from '../notify/outbox.ts';
import type { CatchUp } from './catch-up.ts';
import type { Feed } from './feed.ts';
import type { Peers } from './peers.ts';
import type { RunLogs } from './run-log.ts';
import type { Runner } from './runner.ts';
import type { Schedules } from './schedules.ts';
import type { StorageWatch } from './storage-watch.ts';
import type { Supervisor } from './supervisor.ts';
import type { Unheard } from './unheard.ts';

/** What a node is made of; its API works with these. */
export interface NodeParts {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: ClusterStore;
  /** The same store, where the node may do without it for a while. */
  readonly journaled: JournaledStore | undefined;
  readonly peers: Peers;
  /** Whether the others see this node alive. */
  readonly isMember: () => boolean;
  readonly ledger: Ledger;
  readonly view: ClusterView;
  readonly schedules: Schedules;
  readonly runner: Runner;
  readonly catchUp: CatchUp;
  readonly totals: DestinationTotals;
  readonly logs: RunLogs;
  readonly feed: Feed;
  readonly metrics: NodeMetrics;
  readonly supervisor: Supervisor;
  readonly outbox: Outbox;
  readonly storage: StorageWatch;
  readonly unheard: Unheard;
  readonly startedAtMs: number;
  /** What a person should know, in words: staging that is full, a store that does not answer. */
  readonly problems: () => readonly string[];
}

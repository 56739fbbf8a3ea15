import { join } from 'node:path';
import type { LogLine } from '@holdfast/client';
import {
  Assigner,
  Assignments,
  ClusterView,
  JournaledStore,
  Ledger,
  Membership,
  type RunRecord,
} from '@holdfast/coordinator';
import { type Clock, type ClusterStore, HoldfastError, type Secret, type Sig, version } from '@holdfast/core';
import { blackoutUntil } from '@holdfast/scheduler';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/node-config.ts';
import { DestinationTotals } from '../metrics/destination-totals.ts';
import { NodeMetrics } from '../metrics/node-metrics.ts';
import { Outbox } from '../notify/outbox.ts';
import { runInChild } from '../run-parent.ts';
import { Apart, apartProblems } from './apart.ts';
import { CatchUp, copiesMax } from './catch-up.ts';
import type { ExecuteCopy } from './copy-job.ts';
import { Feed } from './feed.ts';
import type { NodeParts } from './node-parts.ts';
import { Peers } from './peers.ts';
import { shareOf } from './rate-share.ts';
import { RunLogs } from './run-log.ts';
import { type Execute, Runner } from './runner.ts';
import { adopted, Schedules } from './schedules.ts';
import { StorageWatch } from './storage-watch.ts';
import { type Ending, type Service, Supervisor } from './supervisor.ts';
import { TakeOver } from './take-over.ts';
import { viewOfTask } from './task-handlers.ts';
import { TaskKeeper } from './task-keeper.ts';
import { TaskScheduler } from './task-scheduler.ts';
import { Unheard } from './unheard.ts';
import { isoOf, runView } from './views.ts';

export interface NodeCoreOptions {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: ClusterStore;
  /** Of this node's own: where it keeps what happens while the store cannot be reached. Without it, nothing happens then. */
  readonly journal?: ClusterStore | undefined;
  /** Of the node's state folder; see `Identity`. */
  readonly instance: string;
  /** What the nodes of the cluster sign with when they ask each other. */
  readonly secret?: Secret | undefined;
  /** How a run is carried out; without it, in a process of its own. */
  readonly execute?: Execute | undefined;
  /** How backups are brought to a destination that lacks them; without it, in a process of its own. */
  readonly executeCopy?: ExecuteCopy | undefined;
}

/** The working parts of a node on a store, without its API. */
export class NodeCore {
  readonly parts: NodeParts;
  /** Of the cluster that the store is of. */
  readonly cluster: string;
  readonly #options: NodeCoreOptions;
  readonly #since: number;
  #services: Services | undefined;

  private constructor(options: NodeCoreOptions, at: { parts: NodeParts; cluster: string; since: number }) {
    this.parts = at.parts;
    this.cluster = at.cluster;
    this.#options = options;
    this.#since = at.since;
  }

  /** Reads what the store has; begins nothing. */
  static async open(options: NodeCoreOptions, o: Sig): Promise<NodeCore> {
    const parts = makeParts(options);
    const cluster = await parts.ledger.prepare(o);
    const since = await parts.view.load(o);
    return new NodeCore(options, { parts, cluster, since });
  }

  /**
   * Makes the node known to the others, who reach it at `url`, and tells them what happened in its last life while it
   * could not reach the store. Work begins with `run`.
   * @throws HoldfastError config_invalid when another node has its name
   */
  async join(o: Sig & { readonly url?: string | undefined }): Promise<void> {
    const services = makeServices(this.#options, { parts: this.parts, since: this.#since, url: o.url });
    await services.membership.join(o);
    await services.apart.back(o);
    this.#services = services;
  }

  /**
   * Works until it is asked to end. On `drain` nothing new begins, and what runs may finish; on `stop` runs are ended in
   * good order and go on at the next start; on `kill` their processes are ended at once.
   */
  async run(ending: Ending & { readonly kill: AbortSignal }): Promise<void> {
    const { supervisor, runner, catchUp } = this.parts;
    const services = this.#services;
    if (!services) throw new HoldfastError('internal', 'a node works that has not joined its cluster');
    const kill = (): void => {
      runner.kill(HoldfastError.from(ending.kill.reason));
      catchUp.kill(HoldfastError.from(ending.kill.reason));
    };
    ending.kill.addEventListener('abort', kill, { once: true });
    const quiet = new AbortController();
    const over = new AbortController();
    const foundations = supervisor.run(services.foundations, { drain: over.signal, stop: over.signal });
    const tellers = supervisor.run(services.tellers, { drain: quiet.signal, stop: over.signal });
    try {
      await supervisor.run(services.workers, ending);
    } finally {
      // The last run's end is told, and until then the view of the store and this node's sign of life are needed.
      const stopped = new HoldfastError('cancelled', 'the node stops');
      quiet.abort(stopped);
      await tellers;
      over.abort(stopped);
      await foundations;
      ending.kill.removeEventListener('abort', kill);
    }
  }
}

interface Services {
  readonly membership: Membership;
  readonly apart: Apart;
  readonly workers: readonly Service[];
  readonly tellers: readonly Service[];
  readonly foundations: readonly Service[];
}

function makeParts(options: NodeCoreOptions): NodeParts {
  const { config, clock, logger, journal } = options;
  const node = config.name;
  const journaled = journal && new JournaledStore({ store: options.store, journal, node, clock });
  const store = journaled ?? options.store;
  const ledger = new Ledger({ store, clock });
  const view = new ClusterView(store);
  const supervisor = new Supervisor({ clock, logger });
  const feed = new Feed(clock);
  const onLine = (line: LogLine): void => feed.tell({ kind: 'log', line });
  const logs = new RunLogs({ folder: join(config.state, 'logs'), clock, onLine });
  const storage = new StorageWatch({ folders: [config.state, config.staging], clock, logger });
  const totals = new DestinationTotals();
  const unheard = new Unheard();
  const nodeRate = shareOf(config.bandwidth, config.limits.runs + copiesMax);
  const runner: Runner = new Runner({
    node,
    view,
    ledger,
    clock,
    logger,
    logs,
    execute: options.execute ?? runInChild,
    staging: config.staging,
    totals,
    workers: config.limits.workers,
    stagingBytesMax: config.stagingBytesMax,
    nodeRate,
    limits: { runsMax: config.limits.runs, perSourceMax: config.limits.perSource },
    held: (run) => heldReason(parts, run),
    onChange: (run) => tellOfRun(parts, run),
  });
  const outbox = new Outbox({ ledger, view, node, clock, logger });
  const catchUp = new CatchUp({
    node,
    view,
    ledger,
    clock,
    logger,
    executeCopy: options.executeCopy ?? runInChild,
    staging: config.staging,
    nodeRate,
    totals,
    onMessages: () => outbox.poke(),
  });
  const parts: NodeParts = {
    config,
    clock,
    logger,
    store,
    journaled,
    isMember: () =>
      view.nodes.get(node)?.value.instance === options.instance && journaled?.apart === undefined,
    peers: new Peers({ node, view, clock, secret: options.secret }),
    ledger,
    view,
    supervisor,
    logs,
    runner,
    catchUp,
    totals,
    storage,
    unheard,
    schedules: new Schedules(),
    feed,
    metrics: new NodeMetrics(),
    outbox,
    startedAtMs: clock.now(),
    problems: () => [
      ...storage.problems,
      ...unheard.problems,
      ...apartProblems(journaled),
      ...supervisor.states.flatMap(({ name, state, lastError }) =>
        state === 'waiting' ? [`${name} does not work: ${lastError}`] : [],
      ),
    ],
  };
  return parts;
}

function makeServices(
  options: NodeCoreOptions,
  { parts, since, url }: { parts: NodeParts; since: number; url: string | undefined },
): Services {
  const { config, clock, logger, ledger, view, schedules, logs, runner, catchUp, outbox, storage } = parts;
  const { name: node, tags } = config;
  const isOwn = (run: string): boolean => runner.find(run) !== undefined;
  const onRun = (run: RunRecord): void => runner.accept(run);
  const apart = new Apart(parts);
  const capacity = config.limits.runs;
  const membership = new Membership({
    // Its own sign of life goes to the cluster or nowhere.
    store: options.store,
    clock,
    self: {
      node,
      instance: options.instance,
      version,
      startedAtMs: parts.startedAtMs,
      tags,
      capacity,
      ...(url !== undefined && { url }),
    },
    ttlMs: config.cluster.aliveForMs,
    onLost: (reason) => apart.lost(reason),
    onApart: (reason) => apart.enter(reason),
    onBack: (o) => apart.back(o),
  });
  const keeper = new TaskKeeper({
    node,
    view,
    ledger,
    schedules,
    logs,
    clock,
    logger,
    historyMax: config.limits.historyPerTask,
    isOwn,
    onRun,
    onMessages: () => outbox.poke(),
  });
  const scheduler = new TaskScheduler({ ...parts, node, onRun });
  const assigner = new Assigner({
    node,
    view,
    assignments: new Assignments({ store: parts.store, clock, node, revision: () => membership.revision }),
    clock,
    moveAfterMs: config.cluster.moveAfterMs,
    adopted,
    isConnected: () => membership.revision !== undefined && parts.journaled?.apart === undefined,
    onDecision: (task, { kind, reason }) =>
      logger.info({ component: 'assigner', task, decision: kind }, `task ${task}: ${kind}: ${reason}`),
  });
  const takeOver = new TakeOver({ ledger, view, node, logger, isOwn });
  const assign: Service = { name: 'assigner', run: ({ drain }) => assigner.run({ signal: drain }) };
  view.onChange(({ objects, tasks }) => tellOfView(parts, objects, tasks));
  return {
    membership,
    apart,
    foundations: [
      { name: 'store', run: ({ stop }) => view.follow(since, { signal: stop }) },
      { name: 'membership', run: ({ stop }) => membership.run({ signal: stop }) },
    ],
    tellers: [outbox, storage],
    workers: [
      runner,
      takeOver.before(assign),
      takeOver.before(keeper),
      takeOver.before(scheduler),
      takeOver.before(catchUp),
    ],
  };
}

/** A run that has waited for its turn begins only when its task may begin one now; what a person asked for, at once. */
function heldReason({ view, schedules, clock }: NodeParts, run: RunRecord): string | undefined {
  const spec = view.objects.value.tasks[run.task];
  const record = view.task(run.task)?.value;
  if (run.trigger === 'manual' || !spec || !record) return undefined;
  if (record.pausedSinceMs !== undefined) return 'the task is paused';
  const untilMs = blackoutUntil(schedules.of(run.task, spec), clock.now());
  return untilMs === undefined ? undefined : `nothing starts before the blackout ends at ${isoOf(untilMs)}`;
}

/** A run began, got on or ended: for streams, metrics and whoever is to be notified. */
function tellOfRun({ feed, runner, metrics, outbox, config }: NodeParts, run: RunRecord): void {
  const active = runner.find(run.id);
  const ended = run.endedAtMs !== undefined;
  if (ended) {
    metrics.countRun(run);
    outbox.poke();
  }
  const state = `${run.state} ${active?.waitingFor ?? ''}`;
  if (!feed.isDue(run.id, { state, ended }) || !feed.heard) return;
  feed.tell({ kind: 'run', run: runView(run, { active, stuckAfterMs: config.limits.stallAfterMs }) });
}

function tellOfView(parts: NodeParts, objects: boolean, tasks: ReadonlySet<string>): void {
  const { feed, view } = parts;
  if (!feed.heard) return;
  if (objects) feed.tell({ kind: 'objects', revision: view.objects.revision });
  for (const task of tasks) {
    const record = view.task(task)?.value;
    if (!record || !Object.hasOwn(view.objects.value.tasks, task)) continue;
    feed.tell({ kind: 'task', task: viewOfTask(parts, task, record) });
  }
}

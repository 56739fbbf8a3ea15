/** What the parts of a node work on, in memory: for tests of one part, and of a whole node. */
import {
  type Adopted,
  Assignments,
  ClusterView,
  keys,
  Ledger,
  type RunRecord,
  type TaskRecord,
} from '@holdfast/coordinator';
import type { ClusterStore, DeclaredNotification, DeclaredTask, HoldfastError } from '@holdfast/core';
import type { BackupReport, CopyReport } from '@holdfast/engine';
import {
  FakeClock,
  failingStore,
  MemoryClusterStore,
  MemoryClusterTable,
  type StoreStep,
  type StoreVerb,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import type { Logger } from 'pino';
import type { NodeConfig } from '../config/node-config.ts';
import { placeOfAddress } from '../open.ts';
import type { BackupRun, CopyRun } from '../run-request.ts';
import type { ExecuteCopy } from './copy-job.ts';
import { nodeLogger } from './logger.ts';
import { NodeCore } from './node-core.ts';
import { nodeHandlers } from './node-handlers.ts';
import type { Execute, ExecuteOptions } from './runner.ts';
import { quiet } from './simulation-time.fixture.ts';

export const { signal } = new AbortController();

/** What the store does next, while a test says so. */
export interface StoreFault {
  step: (verb: StoreVerb, what: string) => StoreStep;
}

export interface Bench extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly table: MemoryClusterTable;
  readonly fault: StoreFault;
  readonly store: ClusterStore;
  readonly ledger: Ledger;
  readonly view: ClusterView;
  readonly logger: Logger;
  /** What was logged, as documents. */
  readonly lines: Record<string, unknown>[];
  readonly folder: TemporaryFolder;
  /** These tasks, and no others, are declared. */
  declare(
    tasks: Readonly<Record<string, Partial<DeclaredTask>>>,
    notifications?: Readonly<Record<string, DeclaredNotification>>,
  ): Promise<void>;
  record(task: string): Promise<TaskRecord>;
  /** A task has a record, and this node has the task, which is not alive because of that. */
  adopt(task: string, node: string, as?: Adopted): Promise<void>;
  /** The node takes the task, as if it were alive for a moment. */
  move(task: string, node: string): Promise<void>;
  /** The newest first. */
  runs(task: string): Promise<readonly RunRecord[]>;
  pass(ms: number): Promise<void>;
}

/** At 2026-11-20 14:00 UTC. */
export async function openBench(): Promise<Bench> {
  const clock = new FakeClock();
  const table = new MemoryClusterTable();
  const fault: StoreFault = { step: () => 'ok' };
  const inner = new MemoryClusterStore({ clock, table });
  const store = failingStore(inner, (verb, what) => fault.step(verb, what));
  const own = new Ledger({ store: new MemoryClusterStore({ clock, table }), clock });
  const view = new ClusterView(store);
  const lines: Record<string, unknown>[] = [];
  const logger = nodeLogger({
    level: 'debug',
    format: 'json',
    node: 'node-a',
    write: (line) => lines.push(JSON.parse(line)),
  });
  const folder = await temporaryFolder('holdfast-node');
  const rival = new MemoryClusterStore({ clock, table });
  const asNode = async (node: string, act: (by: Assignments) => Promise<void>): Promise<void> => {
    const key = keys.node(node);
    const there = await rival.get(key, { signal });
    const revision = there?.revision ?? (await rival.transact({ puts: [{ key, value: '{}' }] }, { signal }));
    await act(new Assignments({ store: rival, clock, node, revision: () => revision }));
    if (!there) await rival.transact({ deletes: [key] }, { signal });
  };
  const over = new AbortController();
  const following = view.load({ signal }).then((since) => view.follow(since, { signal: over.signal }));
  following.catch(() => undefined);
  return {
    clock,
    table,
    fault,
    store,
    ledger: new Ledger({ store, clock }),
    view,
    logger,
    lines,
    folder,
    declare: async (tasks, notifications = {}) => {
      const { revision } = await own.objects({ signal });
      const sources = {
        shop: { type: 'sqlite', path: '/db/shop' },
        crm: { type: 'sqlite', path: '/db/crm' },
      };
      const destinations = {
        near: { type: 'folder', path: '/backups' },
        far: { type: 'folder', path: '/mnt/far' },
        off: { type: 'folder', path: '/mnt/off', disabled: true },
      };
      const whole = Object.entries(tasks).map(([name, task]) => [name, taskOf(task)]);
      const objects = { sources, destinations, notifications, tasks: Object.fromEntries(whole) };
      await own.replaceObjects(objects, revision, { signal });
      await quiet();
    },
    record: async (task) => {
      const known = await own.task(task, { signal });
      if (!known) throw new Error(`task ${task} has no record`);
      return known.value;
    },
    adopt: (task, node, as = {}) =>
      asNode(node, async (by) => {
        await by.adopt(task, { reason: 'it is the test', ...as }, { signal });
      }),
    move: (task, node) =>
      asNode(node, async (by) => {
        const known = await own.task(task, { signal });
        if (known) await by.take(known, 'it is the test', { signal });
      }),
    runs: (task) => own.history(task, { signal, last: 1000 }),
    pass: async (ms) => {
      await quiet();
      await clock.advance(ms);
      await quiet();
    },
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await following.catch(() => undefined);
      await folder[Symbol.asyncDispose]();
    },
  };
}

export function taskOf(over: Partial<DeclaredTask> = {}): DeclaredTask {
  const { full, incremental } = over;
  return {
    source: 'shop',
    type: 'logical',
    ...(full === undefined && incremental === undefined && { full: '0 * * * *' }),
    timezone: 'UTC',
    destinations: ['near'],
    require: 'all',
    ...over,
  };
}

/** A backup that is carried out by a test. */
export interface Work {
  readonly run: BackupRun;
  readonly o: ExecuteOptions;
  succeed(over?: Partial<BackupReport>): void;
  fail(error: HoldfastError): void;
}

/** Backups that do what a test says; they end by themselves when they are asked to. */
export class Works {
  readonly begun: Work[] = [];
  /** Succeed at once. */
  quick = false;

  readonly execute: Execute = (run, o) => {
    const { promise, resolve, reject } = Promise.withResolvers<BackupReport>();
    const work: Work = {
      run,
      o,
      succeed: (over = {}) => resolve(reportOf(run, over)),
      fail: reject,
    };
    this.begun.push(work);
    for (const asked of [o.signal, o.killSignal])
      asked.addEventListener('abort', () => reject(asked.reason), { once: true });
    if (this.quick) work.succeed();
    return promise;
  };

  get last(): Work {
    const work = this.begun.at(-1);
    if (!work) throw new Error('no run has begun');
    return work;
  }
}

/** A copy that is carried out by a test. */
export interface CopyWork {
  readonly run: CopyRun;
  readonly o: ExecuteOptions;
  succeed(over?: Partial<CopyReport>): void;
  fail(error: HoldfastError): void;
}

/** Copies that do what a test says; they end by themselves when they are asked to. */
export class CopyWorks {
  readonly begun: CopyWork[] = [];

  readonly execute: ExecuteCopy = (run, o) => {
    const { promise, resolve, reject } = Promise.withResolvers<CopyReport>();
    const { task } = run.request;
    const report: CopyReport = {
      task,
      to: placeOfAddress(run.to).url,
      backups: ['20261120T140000Z-node-a-g1/0000'],
      bytes: 300,
      backupsThere: 0,
      problems: [],
      notices: [],
      durationMs: 1,
    };
    this.begun.push({ run, o, succeed: (over = {}) => resolve({ ...report, ...over }), fail: reject });
    for (const asked of [o.signal, o.killSignal])
      asked.addEventListener('abort', () => reject(asked.reason), { once: true });
    return promise;
  };

  get last(): CopyWork {
    const work = this.begun.at(-1);
    if (!work) throw new Error('no copy has begun');
    return work;
  }
}

function reportOf(run: BackupRun, over: Partial<BackupReport>): BackupReport {
  const scope = run.request.scope === 'full' ? 'full' : 'incremental';
  return {
    outcome: 'stored',
    task: run.request.task,
    scope,
    backup: `20261120T140000Z-node-a-g1/000${scope === 'full' ? 0 : 1}`,
    reason: 'asked for',
    to: { position: '1', timeMs: 1 },
    rows: 10,
    changes: 0,
    rawBytes: 1000,
    storedBytes: 300,
    segments: 1,
    destinations: run.to.map((to) => ({ destination: placeOfAddress(to).url, stored: true })),
    durationsMs: {},
    notices: [],
    ...over,
  };
}

/** A small node: two runs at once, one of each source. Dead after ten seconds, and waited for thirty more. */
export function configOf(of: Pick<NodeConfig, 'name' | 'state' | 'staging'>): NodeConfig {
  return {
    ...of,
    file: undefined,
    listen: { address: '127.0.0.1:0', tls: undefined, token: undefined, hosts: [] },
    store: { type: 'embedded', path: '' },
    storeWaitMs: 0,
    cluster: { secret: undefined, advertise: undefined, aliveForMs: 10_000, moveAfterMs: 30_000 },
    limits: { runs: 2, perSource: 1, historyPerTask: 10, workers: 1, stallAfterMs: 600_000 },
    log: { level: 'info', format: 'json' },
    tags: [],
    stop: { drainForMs: 60_000 },
  };
}

export interface NodeUnderTest extends AsyncDisposable {
  readonly bench: Bench;
  readonly works: Works;
  readonly copies: CopyWorks;
  readonly core: NodeCore;
  readonly handlers: ReturnType<typeof nodeHandlers>;
  readonly drain: AbortController;
  readonly stop: AbortController;
  readonly kill: AbortController;
  /** Works until it is asked to end. */
  start(): Promise<void>;
}

export async function openNode(limits: Partial<NodeConfig['limits']> = {}): Promise<NodeUnderTest> {
  const bench = await openBench();
  const { clock, logger, store, folder } = bench;
  const works = new Works();
  const copies = new CopyWorks();
  const base = configOf({ name: 'node-a', state: folder.join('state'), staging: folder.join('staging') });
  const config = { ...base, limits: { ...base.limits, ...limits } };
  const core = await NodeCore.open(
    { config, clock, logger, store, instance: 'one', execute: works.execute, executeCopy: copies.execute },
    { signal },
  );
  const drain = new AbortController();
  const stop = new AbortController();
  const kill = new AbortController();
  let running: Promise<void> = Promise.resolve();
  return {
    bench,
    works,
    copies,
    core,
    handlers: nodeHandlers(core.parts),
    drain,
    stop,
    kill,
    start: () => {
      const ending = { drain: drain.signal, stop: stop.signal, kill: kill.signal };
      running = core.join({ signal }).then(() => core.run(ending));
      return running;
    },
    [Symbol.asyncDispose]: async () => {
      bench.fault.step = () => 'ok';
      drain.abort();
      stop.abort();
      await Promise.all([running, bench.pass(10_000)]);
      core.parts.metrics[Symbol.dispose]();
      await bench[Symbol.asyncDispose]();
    },
  };
}

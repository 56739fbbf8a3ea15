import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Sig } from '@holdfast/core';
import { noCounts, type StoreCounts } from './counting-store.ts';

export interface ClusterPlace {
  readonly endpoints: readonly string[];
  /** Of all keys of this cluster in etcd. */
  readonly prefix: string;
  /** Holds a folder for each node. */
  readonly folder: string;
  readonly aliveForMs: number;
  readonly moveAfterMs: number;
}

export interface ClusterStart extends ClusterPlace {
  readonly kind: 'start';
  readonly nodes: readonly string[];
}

export type ClusterRequest = ClusterStart | { readonly kind: 'report' };

export interface Started {
  readonly node: string;
  /** Until its view of the store was loaded, and then until it was known to the others. */
  readonly loadMs: number;
  readonly joinMs: number;
}

export interface ClusterReport {
  readonly rssBytes: number;
  /** After a collection of garbage. */
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  /** Since its start, of all its nodes together. */
  readonly counts: StoreCounts;
  readonly decisions: Readonly<Record<string, number>>;
  /** The first warnings of its nodes. */
  readonly troubles: readonly string[];
}

const startMsMax = 180_000;

/** A process with one node of a cluster, or several; killed when it is disposed. */
export class ClusterProcess implements AsyncDisposable {
  readonly nodes: readonly string[];
  readonly started: readonly Started[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, started: readonly Started[]) {
    this.#child = child;
    this.started = started;
    this.nodes = started.map(({ node }) => node);
  }

  /** Resolves when all of its nodes have joined; when the signal aborts before that, the process is killed. */
  static async start(
    place: ClusterPlace,
    nodes: readonly string[],
    { signal }: Sig,
  ): Promise<ClusterProcess> {
    const child = fork(join(import.meta.dirname, 'cluster-child.ts'), [], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const kill = (): boolean => child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    try {
      const { endpoints, prefix, folder, aliveForMs, moveAfterMs } = place;
      const request: ClusterStart = {
        kind: 'start',
        nodes,
        endpoints,
        prefix,
        folder,
        aliveForMs,
        moveAfterMs,
      };
      return new ClusterProcess(child, await ask<readonly Started[]>(child, request));
    } catch (error) {
      kill();
      throw error;
    } finally {
      signal.removeEventListener('abort', kill);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  report(): Promise<ClusterReport> {
    return ask<ClusterReport>(this.#child, { kind: 'report' });
  }

  /** Sudden death of all its nodes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

async function ask<T>(child: ChildProcess, request: ClusterRequest): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onExit = (code: number | null): void => reject(new Error(`a process of nodes ended with ${code}`));
  const timer = setTimeout(() => reject(new Error('a process of nodes does not answer')), startMsMax);
  child.once('exit', onExit);
  child.once('message', resolve);
  try {
    child.send(request);
    return await promise;
  } finally {
    clearTimeout(timer);
    child.off('exit', onExit);
    child.off('message', resolve);
  }
}

/** What all of them have asked and decided. */
export function sumOf(reports: readonly ClusterReport[]): Pick<ClusterReport, 'counts' | 'decisions'> {
  const counts = noCounts();
  const decisions: Record<string, number> = {};
  for (const report of reports) {
    for (const [name, count] of Object.entries(report.counts)) counts[name as keyof StoreCounts] += count;
    for (const [kind, count] of Object.entries(report.decisions))
      decisions[kind] = (decisions[kind] ?? 0) + count;
  }
  return { counts, decisions };
}

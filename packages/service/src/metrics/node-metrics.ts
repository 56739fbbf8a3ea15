import type { RunRecord, RunState } from '@holdfast/coordinator';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { EventLoopDelay } from './event-loop-delay.ts';
import { countedMetrics, type SnapshotMetric, snapshotMetrics } from './metric-table.ts';
import { type MetricsSnapshot, samplesOf } from './metrics-snapshot.ts';

/** From a second to half a day: so long may a backup take. */
const durationBuckets = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];

const scopes = ['full', 'incremental'] as const;
const endStates = [
  'succeeded',
  'failed',
  'interrupted',
  'cancelled',
  'skipped',
] as const satisfies RunState[];

/** There from the start, so that the first failure is an increase, not a series that begins with 1. */
const zeroStates = ['succeeded', 'failed'] as const;

/** What a node tells Prometheus; docs/metrics.md lists it. A registry of its own: nothing global. */
export class NodeMetrics implements Disposable {
  readonly #registry = new Registry();
  readonly #delay = new EventLoopDelay();
  readonly #gauges = new Map<string, Gauge | Counter>();
  readonly #runs: Counter<'task' | 'scope' | 'state'>;
  readonly #durations: Histogram<'task' | 'scope'>;
  readonly #storedBytes: Counter<'task'>;
  /** Tasks that have series of what is counted. */
  readonly #counted = new Set<string>();

  constructor() {
    const registers = [this.#registry];
    const row = <N extends keyof typeof countedMetrics>(name: N) => {
      const { help, labels } = countedMetrics[name];
      return { name, help, labelNames: labels, registers };
    };
    this.#runs = new Counter(row('holdfast_runs_total'));
    this.#durations = new Histogram({ ...row('holdfast_run_duration_seconds'), buckets: durationBuckets });
    this.#storedBytes = new Counter(row('holdfast_run_stored_bytes_total'));
    for (const [name, { kind, help, labels }] of Object.entries(snapshotMetrics)) {
      const Metric = kind === 'counter' ? Counter : Gauge;
      this.#gauges.set(name, new Metric<string>({ name, help, labelNames: labels, registers }));
    }
    // They measure when they are asked, and by an observer and a timer that do not keep the process alive.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 20 });
  }

  /** For the answer's header. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Once for each run, at its end. */
  countRun(run: RunRecord): void {
    const { task, state, startedAtMs, endedAtMs, made } = run;
    const scope = made?.scope ?? run.scope;
    this.#know(task);
    this.#runs.inc({ task, scope, state });
    if (made) this.#storedBytes.inc({ task }, made.storedBytes);
    const hasWorked = state === 'succeeded' || state === 'failed';
    if (!hasWorked || startedAtMs === undefined || endedAtMs === undefined) return;
    // The wall clock may have been set back in between.
    this.#durations.observe({ task, scope }, Math.max(0, endedAtMs - startedAtMs) / 1000);
  }

  /** The text that Prometheus reads. Nothing is left of tasks and runs that the snapshot does not know. */
  async render(snapshot: MetricsSnapshot): Promise<string> {
    this.#keepOnly(snapshot.tasks.map(({ task }) => task));
    for (const metric of this.#gauges.values()) {
      metric.reset();
      // A metric without labels is 0 after a reset: it has to be said to be absent.
      metric.remove({});
    }
    // All are set before the first await, so that two who ask at once get one moment each.
    const samples = samplesOf(snapshot, { eventLoopDelayMs: this.#delay.takeMaxMs() });
    for (const { name, labels, value } of samples) this.#set(name, labels, value);
    return this.#registry.metrics();
  }

  [Symbol.dispose](): void {
    this.#delay[Symbol.dispose]();
    this.#registry.clear();
  }

  #set(name: SnapshotMetric, labels: Readonly<Record<string, string>>, value: number): void {
    const metric = this.#gauges.get(name);
    if (metric instanceof Gauge) metric.set({ ...labels }, value);
    else metric?.inc({ ...labels }, value);
  }

  #keepOnly(tasks: readonly string[]): void {
    const kept = new Set(tasks);
    for (const task of this.#counted) {
      if (kept.has(task)) continue;
      this.#counted.delete(task);
      this.#storedBytes.remove({ task });
      for (const scope of scopes) {
        this.#durations.remove({ task, scope });
        for (const state of endStates) this.#runs.remove({ task, scope, state });
      }
    }
    for (const task of kept) this.#know(task);
  }

  #know(task: string): void {
    if (this.#counted.has(task)) return;
    this.#counted.add(task);
    for (const scope of scopes) for (const state of zeroStates) this.#runs.inc({ task, scope, state }, 0);
    this.#storedBytes.inc({ task }, 0);
  }
}

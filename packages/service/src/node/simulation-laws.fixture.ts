/** What must be true of a node's store after each of its changes, whatever goes wrong. */
import { keys, type RunRecord, type TaskRecord } from '@holdfast/coordinator';
import type { Change, Manifest } from '@holdfast/core';

export interface LawsOptions {
  /** The stored manifest of a backup at a declared destination; undefined when it is not there. */
  readonly manifestAt: (task: string, backup: string, destination: string) => Manifest | undefined;
  /** Where the task's database is now. */
  readonly positionOf: (task: string) => number;
  readonly isExecuting: (run: string) => boolean;
}

interface SeenRun {
  readonly run: RunRecord;
  /** Where its database was when it was taken, and when it began. */
  readonly takenAt: number;
  readonly begunAt: number;
}

/** Follows every change of the store, and throws at the first one that breaks a promise. */
export class Laws {
  readonly tasks = new Map<string, TaskRecord>();
  readonly runs = new Map<string, SeenRun>();
  readonly counts: Record<string, number> = {};
  readonly #o: LawsOptions;
  /** Occurrences that have been taken or skipped since the task's schedule counts. */
  readonly #taken = new Map<string, Set<string>>();

  constructor(options: LawsOptions) {
    this.#o = options;
  }

  take(change: Change): void {
    const tasks: TaskRecord[] = [];
    const runs: RunRecord[] = [];
    for (const { key, value } of change.puts) {
      if (key.startsWith(keys.tasks)) tasks.push(JSON.parse(value));
      else if (key.startsWith(keys.runs)) runs.push(JSON.parse(value));
    }
    for (const run of runs) this.#takeRun(run);
    for (const task of tasks) this.#takeTask(task, runs);
    for (const key of change.deletes) {
      if (!key.startsWith(keys.runs)) continue;
      for (const [id, { run }] of this.runs) if (keys.run(id) === key) this.#forget(run);
    }
  }

  /** Runs that have not ended. */
  get open(): readonly RunRecord[] {
    return [...this.runs.values()].flatMap(({ run }) => (run.endedAtMs === undefined ? [run] : []));
  }

  #forget(run: RunRecord): void {
    if (run.endedAtMs === undefined) throw new Error(`run ${run.id} is forgotten before it has ended`);
    this.runs.delete(run.id);
  }

  #takeRun(run: RunRecord): void {
    const before = this.runs.get(run.id);
    const at = this.#o.positionOf(run.task);
    if (before === undefined) this.#taken1(run);
    else if (before.run.endedAtMs !== undefined) throw new Error(`run ${run.id} changes after its end`);
    this.runs.set(run.id, {
      run,
      takenAt: before?.takenAt ?? at,
      begunAt: before?.run.startedAtMs === undefined ? at : before.begunAt,
    });
    if (run.endedAtMs !== undefined) this.counts[run.state] = (this.counts[run.state] ?? 0) + 1;
    if (run.state === 'waiting') this.counts[run.trigger] = (this.counts[run.trigger] ?? 0) + 1;
    if (run.state === 'succeeded') this.#succeeded(run);
    else if (run.endedAtMs !== undefined && this.#o.isExecuting(run.id))
      throw new Error(`run ${run.id} is said to have ended ${run.state}, and goes on`);
  }

  #taken1(run: RunRecord): void {
    const others = this.open.filter((one) => one.task === run.task);
    if (run.state === 'waiting' && others.length > 0)
      throw new Error(`run ${run.id} is taken while ${others.map(({ id }) => id).join()} has not ended`);
    if (run.state !== 'skipped' && run.trigger !== 'schedule' && run.trigger !== 'catch-up') return;
    if (run.occurrenceMs === undefined) throw new Error(`run ${run.id} stands for no occurrence`);
    const taken = this.#taken.get(run.task) ?? new Set();
    this.#taken.set(run.task, taken);
    const occurrence = new Date(run.occurrenceMs).toISOString();
    if (taken.has(occurrence)) throw new Error(`the occurrence ${occurrence} is taken again by ${run.id}`);
    taken.add(occurrence);
  }

  #takeTask(record: TaskRecord, runs: readonly RunRecord[]): void {
    const before = this.tasks.get(record.task);
    this.tasks.set(record.task, record);
    // Declared again: its schedule counts anew, also where the clock was put back in the meantime.
    if (before?.removedAtMs !== undefined && record.removedAtMs === undefined)
      this.#taken.delete(record.task);
    if (before === undefined) return;
    const good = runs.find(({ state }) => state === 'succeeded');
    const changed = (name: 'lastGood' | 'lastGoodFull' | 'lastGoodAt' | 'owner'): boolean =>
      JSON.stringify(before[name]) !== JSON.stringify(record[name]);
    this.#takeBehind(before, record, good !== undefined);
    for (const name of ['lastGood', 'lastGoodFull', 'owner'] as const)
      if (changed(name) && good === undefined)
        throw new Error(`${name} of ${record.task} changes without a good run: ${JSON.stringify(runs)}`);
    const { running } = record;
    if (!running && before.running && this.runs.get(before.running.run)?.run.endedAtMs === undefined)
      throw new Error(`${record.task} is free though run ${before.running.run} has not ended`);
    if (record.generation < before.generation) throw new Error(`the generation of ${record.task} goes back`);
  }

  /** Whoever is said to have caught up has what it is said to have; a copy gives it nothing else. */
  #takeBehind(before: TaskRecord, record: TaskRecord, isRun: boolean): void {
    const { task, lastGoodAt, behind = {} } = record;
    for (const [name, good] of Object.entries(lastGoodAt)) {
      if (isRun || before.lastGoodAt[name]?.run === good.run) continue;
      if (before.behind?.[name] === undefined)
        throw new Error(`${task} gets ${good.backup} at ${name}: how?`);
      if (!this.#o.manifestAt(task, good.backup, name))
        throw new Error(`${name} is said to have caught up with ${task}, and has no ${good.backup}`);
    }
    for (const name of Object.keys(before.behind ?? {})) {
      if (behind[name] !== undefined || record.removedAtMs !== undefined) continue;
      this.counts['caught up'] = (this.counts['caught up'] ?? 0) + 1;
      const newest = record.lastGood;
      if (newest && !this.#o.manifestAt(task, newest.backup, name))
        throw new Error(`${name} is no longer behind with ${task}, and has no ${newest.backup}`);
    }
  }

  /** What is called good exists wherever it is said to be, and has what was there at the moment that is claimed. */
  #succeeded(run: RunRecord): void {
    const { made } = run;
    if (!made) throw new Error(`run ${run.id} has succeeded in nothing`);
    const stored = made.destinations.filter((one) => one.stored);
    // An unchanged incremental sends nothing anywhere.
    const places = made.outcome === 'unchanged' ? made.destinations.slice(0, 1) : stored;
    if (places.length === 0) throw new Error(`run ${run.id} has succeeded nowhere`);
    for (const { name } of places) {
      const manifest = this.#o.manifestAt(run.task, made.backup, name);
      if (!manifest) throw new Error(`run ${run.id} has succeeded, and ${name} has no ${made.backup}`);
      const resumed = made.outcome === 'resumed' && run.resumes !== undefined;
      const since = resumed ? this.runs.get(run.resumes ?? '')?.takenAt : this.runs.get(run.id)?.begunAt;
      const has = Number(manifest.to.position);
      if (made.outcome !== 'unchanged' && since !== undefined && has < since)
        throw new Error(
          `run ${run.id} claims ${since}, its backup ${made.backup} has ${has} (${made.outcome})`,
        );
    }
  }
}

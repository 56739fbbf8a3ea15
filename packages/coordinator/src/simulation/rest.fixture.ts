import { keys } from '../keys.ts';
import type { RunRecord, TaskRecord } from '../records.ts';
import type { History } from './history.fixture.ts';
import { Broken, type Laws } from './laws.fixture.ts';
import type { SimNode } from './node.fixture.ts';
import { limits } from './scenario.fixture.ts';

/** What is known of a node's good times. */
export interface NodeHealth {
  readonly node: SimNode;
  /** Since when nothing is wrong with it, its line or the store; undefined while something is. */
  readonly fineSinceMs: number | undefined;
  /** It does nothing, or nothing that it does gets to the store. */
  readonly isOut: boolean;
}

/** Each call of a decision: two reads and a transaction, there and back, at the delays of good times. */
const callsMs = 3 * 2 * 100;

/**
 * How long a task may be without a node that carries it out, while one that could is fine: what the lost node's session
 * lasts, the wait of `moveAfter`, once for the mark and once for the move a wait for each node that is named before, a
 * call that has to be made again, and the look at all tasks that finds what was missed.
 */
export function boundMs(nodes: number): number {
  const rankWaitMs = 2000;
  return (
    1.1 * limits.ttlMs + 1.02 * (limits.moveAfterMs + 2 * nodes * rankWaitMs) + limits.callMaxMs + 3 * callsMs
  );
}

/** What has to come about in the end: by what time, at the latest, and how the world is when nothing goes wrong any more. */
export class Rest {
  readonly #history: History;
  readonly #laws: Laws;
  readonly #badSinceMs = new Map<string, number>();
  /** The longest that a task was without a node while one was fine. */
  longestMs = 0;

  constructor(history: History, laws: Laws) {
    this.#history = history;
    this.#laws = laws;
  }

  /** Every now and then; `nowMs` is the world's time. */
  look(nowMs: number, health: readonly NodeHealth[]): void {
    const { now, tasks } = this.#history;
    for (const [task, { nodes: preference }] of Object.entries(now.objects.tasks)) {
      const fine = health.filter(
        ({ node, fineSinceMs }) =>
          fineSinceMs !== undefined && this.#laws.isSuited(node.name, preference, now),
      );
      const record = tasks.get(task);
      const has = health.find(({ node }) => node.name === record?.node);
      const isGood = has && !has.isOut && this.#laws.isSuited(has.node.name, preference, now);
      // What another node carries out may end first.
      const runner = record?.running && health.find(({ node }) => node.name === record.running?.node);
      if (isGood || fine.length === 0 || (runner && !runner.isOut)) {
        this.#badSinceMs.delete(task);
        continue;
      }
      const sinceMs = this.#badSinceMs.get(task) ?? nowMs;
      this.#badSinceMs.set(task, sinceMs);
      const fineMs = nowMs - Math.min(...fine.map(({ fineSinceMs }) => fineSinceMs ?? nowMs));
      const lastedMs = Math.min(nowMs - sinceMs, fineMs, nowMs - now.fromMs);
      this.longestMs = Math.max(this.longestMs, lastedMs);
      if (lastedMs > boundMs(health.length))
        throw new Broken(
          `a living node gets the task: ${task} has been at ${record?.node ?? 'none'} for ${lastedMs} ms`,
        );
    }
  }

  /** When nothing has gone wrong for long enough. */
  settled(o: {
    readonly nodes: readonly SimNode[];
    readonly calmFromMs: number;
    readonly goodSinceMs: (task: string) => number;
  }): void {
    const { now, tasks, runs } = this.#history;
    const living = o.nodes.filter(({ process }) => process);
    const alive = living.map(({ name }) => name).sort();
    expectIs([...now.nodes.keys()].sort().join(), alive.join(), 'who is alive is known');
    for (const run of runs.values()) this.#checkRun(run, tasks.get(run.task), living);
    for (const [task, spec] of Object.entries(now.objects.tasks)) {
      const record = tasks.get(task);
      const suited = alive.filter((node) => this.#laws.isSuited(node, spec.nodes, now));
      if (suited.length === 0) continue;
      if (!record || !suited.includes(record.node))
        throw new Broken(`every task has a node: ${task} is at ${record?.node}, suited are ${suited}`);
      if (record.notSuitable) throw new Broken(`no mark is left: ${task}`);
      if (record.removedAtMs !== undefined) throw new Broken(`a declared task is not removed: ${task}`);
      const { prefer } = spec.nodes ?? {};
      if (prefer && suited.includes(prefer) && record.node !== prefer)
        throw new Broken(`the preferred node gets its task: ${task} is at ${record.node}`);
      if (o.goodSinceMs(task) < o.calmFromMs) throw new Broken(`every task runs again: ${task}`);
    }
    for (const [task, record] of tasks)
      if (!Object.hasOwn(now.objects.tasks, task) && record.removedAtMs === undefined && living.length > 0)
        throw new Broken(`what is not declared is removed: ${task}`);
  }

  #checkRun(run: RunRecord, record: TaskRecord | undefined, living: readonly SimNode[]): void {
    if (run.endedAtMs !== undefined) return;
    const isRunning = record?.running?.run === run.id;
    if (!isRunning) throw new Broken(`a run that is over has an end: ${run.id} is ${run.state}`);
    const node = living.find(({ name }) => name === run.node);
    if (!node?.runner?.has(run.id)) throw new Broken(`no run stays for ever: ${keys.run(run.id)}`);
  }
}

function expectIs(is: string, expected: string, law: string): void {
  if (is !== expected) throw new Broken(`${law}: ${is} and not ${expected}`);
}

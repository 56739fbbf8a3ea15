import { type Clock, type DeclaredTask, HoldfastError, type Sig } from '@holdfast/core';
import type { Adopted, Assignments } from './assignments.ts';
import type { ClusterView, ViewChange } from './cluster-view.ts';
import {
  type AliveNode,
  decideResponsibility,
  type ResponsibilityDecision,
} from './decide-responsibility.ts';
import type { Known } from './entries.ts';
import type { TaskRecord } from './records.ts';

export interface AssignerOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly assignments: Assignments;
  readonly clock: Clock;
  readonly moveAfterMs: number;
  /** What of its declaration a task's record remembers. */
  readonly adopted: (spec: DeclaredTask) => Adopted;
  /** While it is false nothing is decided: the store cannot be reached. */
  readonly isConnected?: () => boolean;
  readonly onDecision?: (task: string, decision: Deciding) => void;
}

export type Deciding =
  | Exclude<ResponsibilityDecision, { kind: 'stay' | 'wait' }>
  | { readonly kind: 'interrupt'; readonly reason: string };

/** Each node named in a decision acts so much later than the one before it, if that one does not. */
const rankWaitMs = 2000;

/** After another node was first, or the store failed: until the task is looked at again. */
const againMs = 250;

/** However quiet it is: nothing depends on one change having been seen. */
const lookAllEveryMs = 60_000;

/**
 * Decides who is responsible, together with the assigners of all other nodes: all decide the same by the same view, and
 * whom the decision names writes it. What a change costs grows with the tasks that it is about, not with all tasks.
 */
export class Assigner {
  readonly #o: Required<AssignerOptions>;
  readonly #due = new Map<string, number>();
  /** By this node's own clock, when it has seen the node come or go. */
  readonly #aliveSince = new Map<string, number>();
  readonly #goneSince = new Map<string, number>();
  /** When it has seen a task's mark, by the mark. */
  readonly #markSeen = new Map<string, { readonly mark: string; readonly atMs: number }>();
  /** Since when a decision names others first, by what is decided. */
  readonly #namedSince = new Map<string, { readonly what: string; readonly atMs: number }>();
  #wake = new AbortController();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AssignerOptions) {
    this.#o = { isConnected: () => true, onDecision: () => undefined, ...options };
  }

  async run({ signal }: Sig): Promise<void> {
    const { view, clock } = this.#o;
    this.#seeNodes(new Set([...view.nodes.keys(), ...this.#aliveSince.keys()]));
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    const stopListening = view.onChange((change) => this.#take(change));
    try {
      while (!signal.aborted) {
        if (this.#wake.signal.aborted) this.#wake = new AbortController();
        await this.#look({ signal });
        const nextMs = Math.min(this.#lookedAtMs + lookAllEveryMs, ...this.#due.values());
        const waitMs = Math.max(1, nextMs - clock.elapsed());
        await clock.sleep(waitMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
      }
    } finally {
      stopListening();
    }
  }

  #take({ objects, tasks, nodes }: ViewChange): void {
    const { view, clock } = this.#o;
    const nowMs = clock.elapsed();
    this.#seeNodes(nodes);
    if (objects) this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    for (const task of tasks) this.#due.set(task, nowMs);
    for (const node of nodes) {
      for (const task of view.tasksOf(node)) this.#due.set(task, nowMs);
      // What nobody has, someone may take now.
      for (const task of view.tasksOf('')) this.#due.set(task, nowMs);
      for (const [task, spec] of Object.entries(view.objects.value.tasks))
        if (spec.nodes?.prefer === node) this.#due.set(task, nowMs);
    }
    if (objects || tasks.size > 0 || nodes.size > 0) this.#wake.abort();
  }

  #seeNodes(nodes: Iterable<string>): void {
    const { view, clock } = this.#o;
    for (const node of nodes) {
      if (view.nodes.has(node)) {
        if (!this.#aliveSince.has(node)) this.#aliveSince.set(node, clock.elapsed());
        this.#goneSince.delete(node);
      } else {
        if (!this.#goneSince.has(node)) this.#goneSince.set(node, clock.elapsed());
        this.#aliveSince.delete(node);
      }
    }
  }

  async #look(o: Sig): Promise<void> {
    const { view, clock, isConnected } = this.#o;
    if (!isConnected()) {
      this.#lookedAtMs = clock.elapsed();
      this.#due.clear();
      return;
    }
    const nowMs = clock.elapsed();
    if (nowMs - this.#lookedAtMs >= lookAllEveryMs) {
      this.#lookedAtMs = nowMs;
      for (const task of Object.keys(view.objects.value.tasks)) this.#due.set(task, nowMs);
    }
    const due = [...this.#due].filter(([, atMs]) => atMs <= nowMs);
    if (due.length === 0) return;
    const alive = this.#alive();
    for (const [task] of due) {
      this.#due.delete(task);
      const spec = view.objects.value.tasks[task];
      const known = view.task(task);
      if (!spec || known?.value.removedAtMs !== undefined) continue;
      await this.#decide(task, { spec, known, alive }, o);
    }
  }

  async #decide(
    task: string,
    {
      spec,
      known,
      alive,
    }: { spec: DeclaredTask; known: Known<TaskRecord> | undefined; alive: readonly AliveNode[] },
    o: Sig,
  ): Promise<void> {
    const { clock, view, moveAfterMs } = this.#o;
    const decision = decideResponsibility({
      task,
      preference: spec.nodes,
      record: known?.value,
      nodes: alive,
      tasksTotal: view.tasks.size,
      markedForMs: this.#markedFor(task, known?.value),
      moveAfterMs,
    });
    if (decision.kind === 'wait' && Number.isFinite(decision.leftMs))
      this.#due.set(task, clock.elapsed() + decision.leftMs);
    if (decision.kind === 'stay' || decision.kind === 'wait') {
      this.#namedSince.delete(task);
      if (known) await this.#interruptLost(known, o);
      return;
    }
    if (!this.#isMyTurn(task, decision)) return;
    await this.#act(task, () => this.#write(task, { spec, known, decision }, o), decision, o);
  }

  /** Runs of a node that is gone, of a task that stays with one that is not: its responsible node ends them. */
  async #interruptLost(known: Known<TaskRecord>, o: Sig): Promise<void> {
    const { node, view, clock, moveAfterMs, assignments } = this.#o;
    const { task, running, node: responsible } = known.value;
    if (!running || responsible !== node || running.node === node || view.nodes.has(running.node)) return;
    if (!this.#goneSince.has(running.node)) this.#goneSince.set(running.node, clock.elapsed());
    const leftMs = moveAfterMs - (clock.elapsed() - (this.#goneSince.get(running.node) ?? clock.elapsed()));
    if (leftMs > 0) {
      this.#due.set(task, clock.elapsed() + leftMs);
      return;
    }
    const reason = `node ${running.node}, which carries out run ${running.run}, gives no sign of life`;
    await this.#act(task, () => assignments.interrupt(known, o), { kind: 'interrupt', reason }, o);
  }

  async #act(
    task: string,
    write: () => Promise<Known<TaskRecord>>,
    decision: Deciding,
    o: Sig,
  ): Promise<void> {
    const { view, clock, onDecision } = this.#o;
    try {
      const known = await write();
      view.note(known);
      this.#namedSince.delete(task);
      onDecision(task, decision);
      this.#due.set(task, clock.elapsed());
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (o.signal.aborted || (error.code !== 'conflict' && !error.retryable)) throw error;
      this.#due.set(task, clock.elapsed() + againMs);
    }
  }

  #write(
    task: string,
    {
      spec,
      known,
      decision,
    }: { spec: DeclaredTask; known: Known<TaskRecord> | undefined; decision: ResponsibilityDecision },
    o: Sig,
  ): Promise<Known<TaskRecord>> {
    const { assignments, adopted } = this.#o;
    const { reason } = decision;
    if (!known)
      return assignments.adopt(task, { ...adopted(spec), reason, nobody: decision.kind === 'release' }, o);
    if (decision.kind === 'mark') return assignments.mark(known, reason, o);
    if (decision.kind === 'clear') return assignments.clear(known, reason, o);
    if (decision.kind === 'release') return assignments.release(known, reason, o);
    return assignments.take(known, reason, o);
  }

  /** The first that is named acts at once; the others only if it does not, each a while after the one before. */
  #isMyTurn(task: string, decision: { readonly kind: string; readonly by: readonly string[] }): boolean {
    const { clock, node } = this.#o;
    const rank = decision.by.indexOf(node);
    if (rank < 0) return false;
    if (rank === 0) return true;
    const what = decision.kind;
    const seen = this.#namedSince.get(task);
    const sinceMs = seen?.what === what ? seen.atMs : clock.elapsed();
    if (seen?.what !== what) this.#namedSince.set(task, { what, atMs: sinceMs });
    const turnMs = sinceMs + rank * rankWaitMs;
    if (clock.elapsed() >= turnMs) return true;
    this.#due.set(task, turnMs);
    return false;
  }

  #markedFor(task: string, record: TaskRecord | undefined): number {
    const { clock } = this.#o;
    if (!record?.notSuitable) {
      this.#markSeen.delete(task);
      return 0;
    }
    const mark = `${record.generation} ${record.notSuitable.sinceMs}`;
    const seen = this.#markSeen.get(task);
    if (seen?.mark === mark) return clock.elapsed() - seen.atMs;
    this.#markSeen.set(task, { mark, atMs: clock.elapsed() });
    return 0;
  }

  #alive(): AliveNode[] {
    const { view, clock } = this.#o;
    return [...view.nodes.values()].map(({ value: { node, tags, capacity } }) => ({
      node,
      tags,
      capacity,
      tasks: view.tasksOf(node).size,
      draining: view.drains.has(node),
      aliveForMs: clock.elapsed() - (this.#aliveSince.get(node) ?? clock.elapsed()),
    }));
  }
}

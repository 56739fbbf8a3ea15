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
import { rankNodes } from './rendezvous.ts';

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

/** After another node was first, or the store failed, or while one other is named first: until the task is looked at again. */
const againMs = 250;

/** So many decisions are written at once: each waits for the store, and the tasks of a dead node come all together. */
const writesMax = 16;

/** While the store cannot be reached: until it is asked for again. */
const apartWaitMs = 1000;

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
  /** Declared tasks that no living node has: any node that comes may be one for them. */
  readonly #unplaced = new Set<string>();
  /** Names of tasks by the node that they prefer; of the objects at that revision. */
  #preferring: { readonly revision: number; readonly tasks: ReadonlyMap<string, readonly string[]> } = {
    revision: -1,
    tasks: new Map(),
  };
  /** Since when a decision names others first, by what is decided. */
  readonly #namedSince = new Map<string, { readonly what: string; readonly atMs: number }>();
  /** Undefined: nodes or objects have changed. */
  #seen: Seen | undefined;
  /** Tasks that it is taking: soon they are this node's. */
  #taking = 0;
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
        const waitMs = await this.#look({ signal });
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
    if (objects || nodes.size > 0) this.#seen = undefined;
    if (objects) this.#lookedAtMs = Number.NEGATIVE_INFINITY;
    for (const task of tasks) this.#due.set(task, nowMs);
    if (nodes.size > 0) this.#setDue(this.#unplaced, nowMs);
    for (const node of nodes) {
      this.#setDue(view.tasksOf(node), nowMs);
      this.#setDue(view.runningOn(node), nowMs);
      this.#setDue(this.#tasksPreferring(node), nowMs);
    }
    if (objects || tasks.size > 0 || nodes.size > 0) this.#wake.abort(woken);
  }

  #setDue(tasks: Iterable<string>, atMs: number): void {
    for (const task of tasks) this.#due.set(task, atMs);
  }

  #tasksPreferring(node: string): readonly string[] {
    const { revision, value } = this.#o.view.objects;
    if (this.#preferring.revision !== revision) {
      const tasks = new Map<string, string[]>();
      for (const [task, { nodes }] of Object.entries(value.tasks)) {
        if (nodes?.prefer === undefined) continue;
        const others = tasks.get(nodes.prefer);
        if (others) others.push(task);
        else tasks.set(nodes.prefer, [task]);
      }
      this.#preferring = { revision, tasks };
    }
    return this.#preferring.tasks.get(node) ?? [];
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

  /** Decides what is due. Returns how long there is nothing to do. */
  async #look(o: Sig): Promise<number> {
    const { view, clock, isConnected } = this.#o;
    if (!isConnected()) return apartWaitMs;
    const nowMs = clock.elapsed();
    const { tasks } = view.objects.value;
    if (nowMs - this.#lookedAtMs >= lookAllEveryMs) {
      this.#lookedAtMs = nowMs;
      this.#unplaced.clear();
      this.#setDue(Object.keys(tasks), nowMs);
      // Those that are no longer declared may still have a run that was lost.
      this.#setDue(view.tasks.keys(), nowMs);
    }
    await this.#decideAll(
      [...this.#due].filter(([, atMs]) => atMs <= nowMs).map(([task]) => task),
      o,
    );
    const nextMs = [...this.#due.values()].reduce(
      (a, b) => Math.min(a, b),
      this.#lookedAtMs + lookAllEveryMs,
    );
    return Math.max(1, nextMs - clock.elapsed());
  }

  /** Some at once. One that fails ends with the error when all others have ended, too. */
  async #decideAll(tasks: readonly string[], o: Sig): Promise<void> {
    this.#seen = undefined;
    const left = tasks.values();
    const work = async (): Promise<void> => {
      for (const task of left) {
        this.#due.delete(task);
        await this.#decide(task, o);
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: Math.min(writesMax, tasks.length) }, work));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #decide(task: string, o: Sig): Promise<void> {
    const { clock, view, moveAfterMs } = this.#o;
    const seen = this.#see();
    const spec = view.objects.value.tasks[task];
    const known = view.task(task);
    if (!spec || (known && view.nodes.has(known.value.node))) this.#unplaced.delete(task);
    else this.#unplaced.add(task);
    if (!spec || known?.value.removedAtMs !== undefined) {
      this.#markSeen.delete(task);
      if (known) await this.#interruptLost(known, seen, o);
      return;
    }
    const decision = decideResponsibility({
      task,
      preference: spec.nodes,
      record: known?.value,
      nodes: seen.alive,
      tasksTotal: seen.tasksTotal,
      capacityTotal: seen.capacityTotal,
      isFree: spec.incremental === undefined || known?.value.owner === undefined,
      markedForMs: this.#markedFor(task, known?.value),
      moveAfterMs,
    });
    if (decision.kind === 'wait' && Number.isFinite(decision.leftMs))
      this.#due.set(task, clock.elapsed() + decision.leftMs);
    if (decision.kind === 'stay' || decision.kind === 'wait') {
      // Where the task is about to move, the move ends what was lost.
      const stays = decision.kind === 'stay' || view.nodes.has(known?.value.node ?? '');
      if (known && stays) await this.#interruptLost(known, seen, o);
      else this.#namedSince.delete(task);
      return;
    }
    if (!this.#isMyTurn(task, decision)) return;
    const taking = decision.kind === 'take' ? 1 : 0;
    this.#taking += taking;
    await this.#act(task, () => this.#write(task, { spec, known, decision }, o), decision, o).finally(() => {
      this.#taking -= taking;
    });
  }

  /**
   * Runs of a node that is gone, of a task that stays where it is: the responsible node ends them, or, where there is
   * none, any other. Else nobody could ever begin another run of the task.
   */
  async #interruptLost(known: Known<TaskRecord>, { alive, tasksTotal }: Seen, o: Sig): Promise<void> {
    const { node, view, clock, moveAfterMs, assignments } = this.#o;
    const { task, running, node: responsible } = known.value;
    if (!running || running.node === node || view.nodes.has(running.node)) {
      this.#namedSince.delete(task);
      return;
    }
    if (!this.#goneSince.has(running.node)) this.#goneSince.set(running.node, clock.elapsed());
    const leftMs = moveAfterMs - (clock.elapsed() - (this.#goneSince.get(running.node) ?? clock.elapsed()));
    if (leftMs > 0) {
      this.#due.set(
        task,
        Math.min(this.#due.get(task) ?? Number.POSITIVE_INFINITY, clock.elapsed() + leftMs),
      );
      return;
    }
    const by = view.nodes.has(responsible) ? [responsible] : rankNodes(task, alive, tasksTotal);
    if (!this.#isMyTurn(task, { kind: 'interrupt', by })) return;
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
    // Who is named first depends on how much each node has, and nodes that see that at different moments may all name
    // another one first. The further behind this one is, the less often it looks: many nodes look at many tasks.
    this.#due.set(task, Math.min(turnMs, clock.elapsed() + Math.min(rank * againMs, rankWaitMs)));
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

  /** Who is alive now: a look at many tasks lasts long enough for nodes to come and go. */
  #see(): Seen {
    if (this.#seen) return this.#seen;
    const { view } = this.#o;
    const tasksTotal = Object.keys(view.objects.value.tasks).length;
    const alive = this.#alive();
    const capacityTotal = alive.reduce((sum, { capacity, draining }) => sum + (draining ? 0 : capacity), 0);
    this.#seen = { alive, tasksTotal, capacityTotal };
    return this.#seen;
  }

  #alive(): AliveNode[] {
    const { view, clock, node: own } = this.#o;
    const taking = (): number => this.#taking;
    return [...view.nodes.values()].map(({ value: { node, tags, capacity } }) => ({
      node,
      tags,
      capacity,
      // As it is when it is asked for: what this node takes in one look counts for what it decides next.
      get tasks() {
        return view.tasksOf(node).size + (node === own ? taking() : 0);
      },
      draining: view.drains.has(node),
      aliveForMs: clock.elapsed() - (this.#aliveSince.get(node) ?? clock.elapsed()),
    }));
  }
}

/** What one look goes by. */
interface Seen {
  readonly alive: readonly AliveNode[];
  readonly tasksTotal: number;
  readonly capacityTotal: number;
}

/** An error of its own would cost a stack each time. */
const woken = new HoldfastError('cancelled', 'something changed');

/** What the cluster is to be told of one task, decided once and then only repeated until it is known what became of it. */
import type { ClusterStore, Entry, Revision, Sig } from '@holdfast/core';
import { decisionPut } from './entries.ts';
import type { KeyChange } from './journal-batches.ts';
import type { ApartMeta, Own } from './journal-book.ts';
import { mergeRecords } from './journal-merge.ts';
import { freeId, isSameRun, toldRun, unheardRun, whose } from './journal-runs.ts';
import { keys } from './keys.ts';
import type { DecisionRecord, OwedRun, RunRecord, TaskRecord } from './records.ts';
import { withForsaken } from './transitions.ts';

export type ReconcileOutcome = 'kept' | 'merged' | 'closed';

/** Plain, so that the journal can keep it. */
export interface Attempt {
  readonly outcome: ReconcileOutcome;
  readonly reason: string;
  /** The cluster's record is to be still at this revision. */
  readonly revision: Revision;
  /** The record as it is to be in the cluster. */
  readonly record: string;
  /** As the node itself had it: what `record` has of it. */
  readonly local: string;
  /** What the journal had up to here is told. */
  readonly through: Revision;
  /** Written in the last transaction: if it is there, all of it is. */
  readonly decision: KeyChange & { readonly value: string };
  /** What is told besides the journal's own entries. */
  readonly others: readonly KeyChange[];
  /** Ids of runs that go by another in the cluster, since there it is that of another run. */
  readonly renamed: Readonly<Record<string, string>>;
  /** Runs whose end the cluster knows already, and that are not told again: an answer was lost before. */
  readonly over?: readonly string[];
}

export interface AttemptOptions extends Sig {
  readonly store: ClusterStore;
  readonly meta: ApartMeta;
  readonly nowMs: number;
  /** Later than that of an attempt that was given up. */
  readonly atMs: number;
}

export interface Found {
  /** As the cluster has it. */
  readonly remote: Entry;
  /** As it had it when it was last heard of. */
  readonly base: Entry;
  /** What the journal has of the task's record, if that was changed. */
  readonly own: Own | undefined;
  /** The task's runs and decisions that the cluster has yet to be told. */
  readonly pending: readonly Own[];
  readonly through: Revision;
}

/** Undefined when nothing but single entries was changed, of a task that still is this node's: they need no decision. */
export async function planAttempt(found: Found, o: AttemptOptions): Promise<Attempt | undefined> {
  const { base, own, through } = found;
  const remote = JSON.parse(found.remote.value) as TaskRecord;
  const before = JSON.parse(base.value) as TaskRecord;
  const isOurs =
    remote.node === o.meta.node && before.node === remote.node && before.generation === remote.generation;
  if (isOurs && !own?.isPending) return undefined;
  const local = own?.value ?? base.value;
  const rest = { revision: found.remote.revision, local, through };
  const runs = runsOf(found.pending);
  if (!isOurs) {
    const made = runs.filter(({ made, state }) => made && state === 'succeeded').length;
    const reason = `${apart(o)}; by now ${whose(remote)}: ${count(made, 'backup')} made meanwhile restore, but their chain is closed`;
    const names = await renames(remote.task, runs, o);
    const decision = decide('closed', remote, reason, o);
    const kept = runs.filter(mayKeep).map(({ id }) => id);
    const record = JSON.stringify(withForsaken(remote, kept));
    return { ...rest, outcome: 'closed', reason, record, decision, others: [], ...names };
  }
  if (found.remote.revision === base.revision && found.remote.value === base.value) {
    const reason = `${apart(o)}; ${count(runs.length, 'run')} of its own are told now`;
    const decision = decide('apart', remote, reason, o);
    return { ...rest, outcome: 'kept', reason, record: local, decision, others: [], renamed: {} };
  }
  const merged = mergeRecords({ base: before, local: JSON.parse(local), remote });
  const { record, others } = await withUnheard({ merged, before, remote, runs }, o);
  const reason = `${apart(o)}; ${count(runs.length, 'run')} of its own are told now, and what the cluster was told meanwhile holds, too`;
  const decision = decide('apart', record, reason, o);
  return {
    ...rest,
    outcome: 'merged',
    reason,
    record: JSON.stringify(record),
    decision,
    others,
    renamed: {},
  };
}

/** Puts and deletes of the journal's own entries, as the cluster is to have them. */
export function tellOwn(
  pending: readonly Own[],
  record: TaskRecord,
  o: Pick<Attempt, 'renamed' | 'over'> & { readonly nowMs: number },
): readonly KeyChange[] {
  const { node, generation } = record;
  return pending.flatMap(({ key, value }): KeyChange[] => {
    if (!key.startsWith(keys.runs)) return [{ key, value }];
    // What history no longer keeps here is no concern of a node that lost the task.
    if (value === undefined) return [{ key }];
    const run = JSON.parse(value) as RunRecord;
    if (run.node === node && run.generation === generation) return [{ key, value }];
    if (o.over?.includes(run.id)) return [];
    const id = Object.hasOwn(o.renamed, run.id) ? (o.renamed[run.id] ?? run.id) : run.id;
    return [{ key: keys.run(id), value: JSON.stringify({ ...toldRun(run, record, o.nowMs), id }) }];
  });
}

/** Runs that the cluster has where this node has others: those of this node get other ids. */
async function renames(
  task: string,
  runs: readonly RunRecord[],
  o: AttemptOptions,
): Promise<Required<Pick<Attempt, 'renamed' | 'over'>>> {
  const ids = new Set(runs.map(({ id }) => id));
  const renamed: Record<string, string> = {};
  const over: string[] = [];
  for (const run of runs) {
    const there = await runAt(run.id, o);
    if (there?.endedAtMs !== undefined && isSameRun(there, run)) {
      over.push(run.id);
      continue;
    }
    const isOthers = async (id: string): Promise<boolean> => {
      const there = await runAt(id, o);
      return there !== undefined && !isSameRun(there, run);
    };
    if (!(await isOthers(run.id))) continue;
    const id = await freeId(task, run.id, async (one) => ids.has(one) || (await isOthers(one)));
    ids.add(id);
    renamed[run.id] = id;
  }
  return { renamed, over };
}

interface Merging {
  readonly merged: TaskRecord;
  readonly before: TaskRecord;
  readonly remote: TaskRecord;
  readonly runs: readonly RunRecord[];
}

/**
 * Runs that the cluster has created for this node meanwhile: by hand at another node, or by this one, when the answer was
 * lost. Nobody carries them out, so they end, and what was asked for by hand is owed. One that has the id of a run that
 * goes on here gives way to it: a process knows its run by its id.
 */
async function withUnheard(
  { merged, before, remote, runs }: Merging,
  o: AttemptOptions,
): Promise<{ readonly record: TaskRecord; readonly others: readonly KeyChange[] }> {
  const own = new Map(runs.map((run) => [run.id, run]));
  const unheard = new Map<string, RunRecord>();
  for (const run of runs) {
    const there = await runAt(run.id, o);
    if (!there || isSameRun(there, run)) continue;
    const isTaken = async (id: string): Promise<boolean> => own.has(id) || (await runAt(id, o)) !== undefined;
    unheard.set(await freeId(run.task, run.id, isTaken), there);
  }
  const running = remote.running?.run;
  if (running !== undefined && running !== before.running?.run && !own.has(running)) {
    const there = await runAt(running, o);
    if (there) unheard.set(running, there);
  }
  let record = merged;
  const { running: now, ...resting } = merged;
  const isHeard = now?.run === before.running?.run || own.get(now?.run ?? '')?.endedAtMs === undefined;
  if (now && (unheard.has(now.run) || !isHeard)) record = resting;
  const others: KeyChange[] = [];
  for (const [id, run] of unheard) {
    const isOver = run.endedAtMs !== undefined;
    const told = { ...(isOver ? run : unheardRun(run, o.nowMs)), id };
    others.push({ key: keys.run(id), value: JSON.stringify(told) });
    const isOwed =
      !isOver && record.removedAtMs === undefined && (run.trigger === 'manual' || runs.length === 0);
    if (isOwed && record.owed?.scope !== 'full') record = { ...record, owed: owedFor(told) };
  }
  return { record, others };
}

function owedFor({ id, scope, createdAtMs }: RunRecord): OwedRun {
  return { scope, atMs: createdAtMs, reason: `run ${id} was asked for while the node could not be reached` };
}

async function runAt(id: string, { store, signal }: AttemptOptions): Promise<RunRecord | undefined> {
  const entry = await store.get(keys.run(id), { signal });
  return entry && (JSON.parse(entry.value) as RunRecord);
}

export function runsOf(pending: readonly Own[]): readonly RunRecord[] {
  return pending.flatMap(({ key, value }) =>
    key.startsWith(keys.runs) && value !== undefined ? [JSON.parse(value) as RunRecord] : [],
  );
}

function decide(
  kind: 'apart' | 'closed',
  { task, node, generation }: TaskRecord,
  reason: string,
  { meta, atMs }: AttemptOptions,
): Attempt['decision'] {
  const decision: DecisionRecord = { task, atMs, kind, node, generation, by: meta.node, reason };
  return decisionPut(decision);
}

/** Whether the run may have begun a chain of its own, for which the source keeps changes. */
function mayKeep({ state, made }: RunRecord): boolean {
  return state !== 'succeeded' || made?.scope === 'full';
}

function apart({ meta, nowMs }: AttemptOptions): string {
  const [since, until] = [meta.sinceMs, nowMs].map((ms) => new Date(ms).toISOString());
  return `node ${meta.node} could not reach the store from ${since} to ${until}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** What becomes of a task's record that was changed in two places: by the node apart, and in the cluster. Pure. */
import type { GoodBackup, OwedRun, TaskRecord } from './records.ts';

export interface Versions {
  /** What both began with. */
  readonly base: TaskRecord;
  /** As the node apart has it. */
  readonly local: TaskRecord;
  /** As the cluster has it: of the same node and generation. */
  readonly remote: TaskRecord;
}

type Field = keyof TaskRecord;
type Rule<K extends Field> = (versions: Versions, field: K) => TaskRecord[K];

/** The cluster decides: the node apart has no say in it. */
const cluster = <K extends Field>({ remote }: Versions, field: K): TaskRecord[K] => remote[field];

/**
 * The node apart decides: it alone runs the task. What it has not touched is the cluster's: then an answer to this very
 * node was lost, before.
 */
const node = <K extends Field>({ base, local, remote }: Versions, field: K): TaskRecord[K] =>
  isSame(base[field], local[field]) ? remote[field] : local[field];

/** What people and declarations say is taken whole from one side: the cluster's, unless only the node heard of it. */
const spoken = ['pausedSinceMs', 'delayedUntilMs', 'removedAtMs', 'disabled', 'schedule', 'sinceMs'] as const;
const people = <K extends Field>(versions: Versions, field: K): TaskRecord[K] => {
  const { base, local, remote } = versions;
  return (spoken.every((one) => isSame(base[one], remote[one])) ? local : remote)[field];
};

/** Every field of a record, so that none is forgotten when one is added. */
const rules: { readonly [K in Field]-?: Rule<K> } = {
  task: cluster,
  node: cluster,
  nodeReason: cluster,
  // Another node has seen that this one was gone; who is responsible is decided on it.
  notSuitable: cluster,
  generation: cluster,
  pausedSinceMs: people,
  delayedUntilMs: people,
  removedAtMs: people,
  disabled: people,
  schedule: people,
  sinceMs: people,
  // What either side has settled, by a run or by dropping it, is not taken again.
  settledMs: ({ local, remote }) => ({
    full: Math.max(local.settledMs.full, remote.settledMs.full),
    incremental: Math.max(local.settledMs.incremental, remote.settledMs.incremental),
  }),
  owner: node,
  newest: node,
  owed,
  running: node,
  // It grows with generations only, and the node's own full ends it.
  forsaken: node,
  lastRunId: ({ local, remote }) => later(local.lastRunId, remote.lastRunId),
  lastAttempt: (versions) => newestOf(versions, 'lastAttempt'),
  lastGood: (versions) => newestOf(versions, 'lastGood'),
  lastGoodFull: (versions) => newestOf(versions, 'lastGoodFull'),
  lastGoodAt: ({ local, remote }) => {
    const merged: Record<string, GoodBackup> = { ...remote.lastGoodAt };
    for (const [name, good] of Object.entries(local.lastGoodAt)) {
      const other = Object.hasOwn(merged, name) ? merged[name] : undefined;
      if (!other || good.run >= other.run) merged[name] = good;
    }
    return merged;
  },
  behind: node,
  lastError: node,
  // People are told by the responsible node, once.
  failingSinceMs: node,
  overdueSinceMs: node,
  // Of what either side has begun, each is one.
  runsCount: ({ base, local, remote }) => local.runsCount + remote.runsCount - base.runsCount,
};

export function mergeRecords(versions: Versions): TaskRecord {
  const fields = Object.keys(rules) as Field[];
  const entries = fields.map((field) => [field, (rules[field] as Rule<Field>)(versions, field)] as const);
  const merged = Object.fromEntries(
    entries.filter(([, value]) => value !== undefined),
  ) as unknown as TaskRecord;
  if (merged.removedAtMs === undefined) return merged;
  // As when a task is removed: nothing is owed to it any more.
  const { owed: _owed, behind: _behind, ...rest } = merged;
  return rest;
}

/** What somebody has asked for meanwhile is owed still; of two, the one that makes more. */
function owed(versions: Versions): OwedRun | undefined {
  const { base, local, remote } = versions;
  const ofNode = node(versions, 'owed');
  if (remote.owed === undefined || isSame(base.owed, remote.owed)) return ofNode;
  // Taken for lost by others, the run has come to its end here after all.
  const { resumes } = remote.owed;
  if (resumes !== undefined && resumes === base.running?.run && resumes !== local.running?.run)
    return local.owed;
  return ofNode?.scope === 'full' && remote.owed.scope !== 'full' && local.owed ? ofNode : remote.owed;
}

function newestOf<K extends 'lastAttempt' | 'lastGood' | 'lastGoodFull'>(
  versions: Versions,
  field: K,
): TaskRecord[K] {
  const local = versions.local[field];
  const remote = versions.remote[field];
  if (!local || !remote) return local ?? remote;
  if (local.run === remote.run) return node(versions, field);
  return local.run > remote.run ? local : remote;
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

/** Of values that come from JSON, written by one build: the order of their fields is that of the code. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

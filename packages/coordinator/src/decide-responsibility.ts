import type { NodePreference } from '@holdfast/core';
import type { TaskRecord } from './records.ts';
import { type Candidate, rankNodes } from './rendezvous.ts';

/** A node that is alive, as the one that decides sees it. */
export interface AliveNode extends Candidate {
  readonly tags: readonly string[];
  /** It was told to give its tasks away. */
  readonly draining: boolean;
  /** For how long the one that decides has seen it alive. */
  readonly aliveForMs: number;
}

export interface ResponsibilityQuestion {
  readonly task: string;
  readonly preference?: NodePreference | undefined;
  /** Undefined: the task has just been declared. */
  readonly record?: Pick<TaskRecord, 'node' | 'running' | 'notSuitable'> | undefined;
  readonly nodes: readonly AliveNode[];
  /** Of the whole cluster. */
  readonly tasksTotal: number;
  /** Of the nodes that take tasks: what one's share is measured by. */
  readonly capacityTotal: number;
  /** The next backup is a full wherever it is made: a move costs nothing. */
  readonly isFree: boolean;
  /** For how long the one that decides has seen the record's mark, by its own clock. */
  readonly markedForMs: number;
  readonly moveAfterMs: number;
}

/** `by` are the nodes that may write it, the first at once, each further one only if those before it do not. */
export type ResponsibilityDecision =
  | { readonly kind: 'stay'; readonly reason: string }
  /** The mark goes: the node can run the task again. */
  | { readonly kind: 'clear'; readonly by: readonly string[]; readonly reason: string }
  /** Nothing moves yet; from now on the grace is counted. */
  | { readonly kind: 'mark'; readonly by: readonly string[]; readonly reason: string }
  /** Decided again after so long, or when something changes. */
  | { readonly kind: 'wait'; readonly leftMs: number; readonly reason: string }
  /** Each of `by` takes the task for itself. */
  | { readonly kind: 'take'; readonly by: readonly string[]; readonly reason: string }
  /** Nobody may run it: it has no node. */
  | { readonly kind: 'release'; readonly by: readonly string[]; readonly reason: string };

/**
 * Who is to run a task, with the reason in words. Pure: every node that sees the same decides the same, and whoever is
 * named writes it by compare-and-set. A task stays where it is without a cause to move: a move costs a full backup.
 */
export function decideResponsibility(question: ResponsibilityQuestion): ResponsibilityDecision {
  const { task, preference = {}, record, nodes } = question;
  const current = record?.node ? byName(nodes).get(record.node) : undefined;
  // Most of the time, and of all tasks: nothing is ranked for it.
  if (current && whyNot(current, preference) === undefined) return whereItIs(question, current);
  const suited = nodes.filter((node) => whyNot(node, preference) === undefined);
  if (suited.length === 0) return nobody(question, current);
  // Where there is nothing to write yet, nobody is ranked.
  const ranked: Ranked = () => preferred(rankNodes(task, suited, question.tasksTotal), preference);
  if (!record?.node)
    return (
      busyElsewhere(question) ?? { kind: 'take', by: ranked(), reason: firstReason(question, suited.length) }
    );
  return current ? fromAlive(question, current, ranked) : fromDead(question, record.node, ranked);
}

/** The suited nodes, the one that is to have the task first. */
type Ranked = () => readonly string[];

type Suitable = Pick<AliveNode, 'node' | 'tags' | 'draining'>;

/** Why none of the nodes that are alive may run a task; undefined: one may. */
export function whyNone(preference: NodePreference, nodes: readonly Suitable[]): string | undefined {
  const suits = nodes.some((node) => whyNot(node, preference) === undefined);
  return suits ? undefined : whyNobody(preference, nodes);
}

/** Why a node that is alive may not run a task. */
export function whyNot(node: Suitable, { prefer, pin, tags = [] }: NodePreference): string | undefined {
  if (pin && node.node !== prefer) return `the task is pinned to node ${prefer}`;
  const missing = tags.filter((tag) => !node.tags.includes(tag));
  if (missing.length > 0)
    return `node ${node.node} lacks the tag${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`;
  return node.draining ? `node ${node.node} drains` : undefined;
}

function preferred(ranked: readonly string[], { prefer }: NodePreference): readonly string[] {
  if (prefer === undefined || !ranked.includes(prefer)) return ranked;
  return [prefer, ...ranked.filter((node) => node !== prefer)];
}

function firstReason({ preference = {}, record }: ResponsibilityQuestion, suited: number): string {
  const which = preference.pin
    ? 'the task is pinned to it'
    : `chosen by hash among ${suited} suited node${suited === 1 ? '' : 's'}`;
  return record ? `no node had the task; ${which}` : `the task is new; ${which}`;
}

const names = new WeakMap<readonly AliveNode[], ReadonlyMap<string, AliveNode>>();

/** Remembered: of many tasks that are decided in a row, the nodes are the same. */
function byName(nodes: readonly AliveNode[]): ReadonlyMap<string, AliveNode> {
  const known = names.get(nodes);
  if (known) return known;
  const made = new Map(nodes.map((one) => [one.node, one]));
  names.set(nodes, made);
  return made;
}

/** The node that has it is alive and may have it. */
function whereItIs(question: ResponsibilityQuestion, current: AliveNode): ResponsibilityDecision {
  const { node } = current;
  // First of all: while it is there, nobody may take the task from a node that lives.
  if (question.record?.notSuitable) return { kind: 'clear', by: [node], reason: `node ${node} is back` };
  return (
    backToPreferred(question) ??
    toOneWithRoom(question, current) ?? { kind: 'stay', reason: `node ${node} is alive and has it` }
  );
}

/** The preferred node gets its task back, once it has been there for a while: one that comes and goes costs fulls. */
function backToPreferred({
  preference = {},
  record,
  nodes,
  moveAfterMs,
}: ResponsibilityQuestion): ResponsibilityDecision | undefined {
  const { prefer } = preference;
  if (prefer === undefined || record?.node === prefer) return undefined;
  const mentor = nodes.find((one) => one.node === prefer && whyNot(one, preference) === undefined);
  if (!mentor) return undefined;
  const leftMs = moveAfterMs - mentor.aliveForMs;
  if (leftMs > 0)
    return {
      kind: 'wait',
      leftMs,
      reason: `node ${prefer} is preferred, and has to stay alive for a while first`,
    };
  if (record?.running) return untilItEnds(record.running.run);
  return { kind: 'take', by: [mentor.node], reason: `node ${prefer} is preferred and alive` };
}

/** Nodes that came later get their share, too, as far as that costs nobody a full backup. */
function toOneWithRoom(
  {
    task,
    preference = {},
    record,
    nodes,
    tasksTotal,
    capacityTotal,
    isFree,
    moveAfterMs,
  }: ResponsibilityQuestion,
  current: AliveNode,
): ResponsibilityDecision | undefined {
  const shareOf = ({ capacity }: AliveNode): number => (tasksTotal * capacity) / capacityTotal;
  if (!isFree || record?.running || preference.prefer === current.node) return undefined;
  if (current.tasks <= Math.ceil(shareOf(current))) return undefined;
  const roomy = nodes.filter(
    (one) =>
      whyNot(one, preference) === undefined &&
      one.tasks + 1 <= Math.floor(shareOf(one)) &&
      one.aliveForMs >= moveAfterMs,
  );
  if (roomy.length === 0) return undefined;
  return {
    kind: 'take',
    by: rankNodes(task, roomy, tasksTotal),
    reason: `node ${current.node} has more than its share of the tasks, and the next backup is a full anyway`,
  };
}

/** The node is there, and may not have the task any more: it ends what it does, and nobody has to wait for anything else. */
function fromAlive(
  question: ResponsibilityQuestion,
  current: AliveNode,
  ranked: Ranked,
): ResponsibilityDecision {
  const { node } = current;
  if (question.record?.notSuitable)
    return { kind: 'clear', by: [node, ...ranked()], reason: `node ${node} is back` };
  const reason = whyNot(current, question.preference ?? {}) ?? 'it may not have the task';
  return busyElsewhere(question) ?? { kind: 'take', by: ranked(), reason };
}

function fromDead(question: ResponsibilityQuestion, node: string, ranked: Ranked): ResponsibilityDecision {
  const { record, markedForMs, moveAfterMs } = question;
  if (!record?.notSuitable)
    return { kind: 'mark', by: ranked(), reason: `node ${node} gives no sign of life` };
  const leftMs = moveAfterMs - markedForMs;
  if (leftMs > 0)
    return {
      kind: 'wait',
      leftMs,
      reason: `node ${node} gives no sign of life; it has a while to come back`,
    };
  const reason = `node ${node} has given no sign of life for longer than moveAfter`;
  return busyElsewhere(question) ?? { kind: 'take', by: ranked(), reason };
}

/** What a node that lives carries out, on request perhaps, may end: whoever took the task could begin nothing before. */
function busyElsewhere({ record, nodes }: ResponsibilityQuestion): ResponsibilityDecision | undefined {
  const { running } = record ?? {};
  return running && nodes.some(({ node }) => node === running.node) ? untilItEnds(running.run) : undefined;
}

/** A pinned task waits for its node. One whose node is there and may not have it goes to nobody. */
function nobody(question: ResponsibilityQuestion, current: AliveNode | undefined): ResponsibilityDecision {
  const { preference = {}, record, nodes, task, tasksTotal } = question;
  const reason = whyNobody(preference, nodes);
  if (record && (record.node === '' || !current)) return { kind: 'stay', reason };
  const by = current ? [current.node] : rankNodes(task, nodes, tasksTotal);
  return busyElsewhere(question) ?? { kind: 'release', by, reason };
}

function whyNobody({ pin, prefer, tags = [] }: NodePreference, nodes: readonly Suitable[]): string {
  const pinned = nodes.find(({ node }) => node === prefer);
  if (pin && !pinned) return `the task is pinned to node ${prefer}, which is not alive`;
  if (nodes.length === 0) return 'no node is alive';
  const one = pin ? pinned : nodes.length === 1 ? nodes[0] : undefined;
  if (one) return whyNot(one, { tags }) ?? whyNot(one, {}) ?? `node ${one.node} may not run it`;
  return tags.length > 0
    ? `no node that takes tasks has all of the tags ${tags.join(', ')}`
    : 'every node drains';
}

function untilItEnds(run: string): ResponsibilityDecision {
  return { kind: 'wait', leftMs: Number.POSITIVE_INFINITY, reason: `run ${run} may end first` };
}

import type { NodePreference } from '@holdfast/core';
import { isSameRun } from '../journal-runs.ts';
import type { IncrementalOwner, RunRecord, TaskRecord } from '../records.ts';
import type { Circumstances, History, Written } from './history.fixture.ts';
import type { SimManifest, SimPlace } from './places.fixture.ts';
import { limits, type SimMachinePlan } from './scenario.fixture.ts';

/** A promise that was broken; the message says which. */
export class Broken extends Error {}

function hold(isSo: boolean, law: string, what: () => string): void {
  if (!isSo) throw new Broken(`${law}: ${what()}`);
}

/**
 * How old what a node decides on may be: it is sent what changes within a second while nothing is wrong. What a node that
 * hears late decides is held up by compare-and-set on the record, but not on what is declared.
 */
const staleMs = 8_000;

/** For so long a decision may be on its way while others are written. */
const togetherMs = 1000;

/** Clocks run up to two in a hundred too fast. */
const fastest = 1.02;

/** What may never be, at no moment, whatever goes wrong. */
export class Laws {
  readonly #history: History;
  readonly #place: SimPlace;
  readonly #machines: ReadonlyMap<string, SimMachinePlan>;
  readonly #newest = new Map<string, IncrementalOwner>();
  readonly #markedAtMs = new Map<string, number>();
  readonly #taken = new Map<string, string>();
  readonly #movedMs: number[] = [];
  #seen = 0;
  readonly figures = { commits: 0, incrementals: 0, moves: 0, takeovers: 0, journaled: 0, refused: 0 };

  constructor(history: History, place: SimPlace, machines: readonly SimMachinePlan[]) {
    this.#history = history;
    this.#place = place;
    this.#machines = new Map(machines.map((plan) => [plan.name, plan]));
  }

  check(): Written[] {
    for (; this.#seen < this.#place.written.length; this.#seen += 1)
      this.#checkManifest(this.#place.written[this.#seen] as SimManifest);
    const written = this.#history.read();
    for (const one of written) this.#checkWritten(one);
    return written;
  }

  #checkManifest(manifest: SimManifest): void {
    const chain = this.#place.list(manifest.chain);
    const full = chain[0] as SimManifest;
    const id = `${manifest.chain}/${manifest.sequence}`;
    hold(full.node === manifest.node, 'one chain, one writer', () => `${id} by ${manifest.node}`);
    hold(
      (manifest.sequence === 0) === (manifest.scope === 'full'),
      'a chain begins with its full, and has one',
      () => id,
    );
    const before = chain.find(({ sequence }) => sequence === manifest.sequence - 1);
    const follows = manifest.sequence === 0 || before?.untilMs === manifest.sinceMs;
    hold(follows, 'each backup follows the one before', () => id);
  }

  #checkWritten(written: Written): void {
    for (const { before, after } of written.runs)
      if (before?.endedAtMs === undefined || JSON.stringify(before) !== JSON.stringify(after))
        this.#checkRun(before, after, written);
    for (const { before, after } of written.tasks) this.#checkRecord(before, after, written);
  }

  #checkRun(was: RunRecord | undefined, run: RunRecord, { tasks, decisions, runs }: Written): void {
    const { id } = run;
    // Another node's run of this id, made while both were apart, has got another one.
    const isElsewhere = (one: RunRecord): boolean =>
      runs.some(({ before, after }) => before === undefined && isSameRun(after, one));
    const before = was && !isSameRun(was, run) && isElsewhere(was) ? undefined : was;
    // A node that was apart may say once more why its run did not count, and that one taken for lost has ended well.
    const isApart = decisions.some(({ kind }) => kind === 'apart');
    const isKnown = before?.state === run.state || (isApart && before?.state === 'interrupted');
    const isEnd = before?.endedAtMs === undefined || isKnown;
    hold(isEnd, 'a run ends once', () => `${id} ${before?.state} ${run.state}`);
    this.#checkOccurrence(before, run);
    if (run.state !== 'succeeded' || !run.made) return;
    this.figures.commits += 1;
    const change = tasks.find(({ after }) => after.task === run.task);
    const record = change?.before;
    hold(record !== undefined, 'a commit is one of a known task', () => id);
    hold(
      record?.generation === run.generation && change?.after.generation === run.generation,
      'no commit under an old generation',
      () => `${id} of ${run.generation}, the task is at ${record?.generation}`,
    );
    // What was made apart counts by the generation alone.
    if (isApart) this.figures.journaled += 1;
    const isOurs = isApart ? record?.node === run.node : record?.running?.run === id;
    hold(isOurs, 'no commit of an ended run', () => id);
    const [chain = ''] = run.made.backup.split('/');
    if (run.made.scope === 'full') {
      if (record?.node === run.node)
        this.#newest.set(run.task, { node: run.node, generation: run.generation, chain });
      return;
    }
    this.figures.incrementals += 1;
    const owner = this.#newest.get(run.task);
    hold(
      owner?.chain === chain && owner.node === run.node && record?.node === run.node,
      'incrementals only by their owner, of the newest chain',
      () => `${id} in ${chain}, and not ${JSON.stringify(owner)}`,
    );
  }

  /** One that was taken by a request whose answer was lost may be taken again by the same node, apart: then the first ends. */
  #checkOccurrence(before: RunRecord | undefined, run: RunRecord): void {
    const isTaken = !before && run.endedAtMs === undefined;
    if (run.occurrenceMs === undefined || !(isTaken || run.state === 'succeeded')) return;
    const occurrence = `${run.task} ${run.occurrenceMs}`;
    const other = this.#taken.get(occurrence) ?? run.id;
    const isOver = other === run.id || this.#history.runs.get(other)?.state === 'interrupted';
    hold(isOver, 'an occurrence is taken once', () => `${occurrence} by ${other} and ${run.id}`);
    this.#taken.set(occurrence, run.id);
  }

  #checkRecord(before: TaskRecord | undefined, after: TaskRecord, written: Written): void {
    const { task, owner, newest } = after;
    const known = this.#newest.get(task);
    hold(
      same(newest, known),
      'the newest full is the newest',
      () => `${task}: ${JSON.stringify([newest, known])}`,
    );
    const isOwned = owner === undefined || (owner.node === after.node && same(owner, known));
    hold(isOwned, 'the owner made the newest full', () => `${task}: ${JSON.stringify(owner)}`);
    if (after.notSuitable && !before?.notSuitable) this.#markedAtMs.set(task, written.atMs);
    if (!before) return;
    hold(
      after.generation >= before.generation,
      'generations only grow',
      () => `${task} from ${before.generation} to ${after.generation}`,
    );
    const isSettled = (['full', 'incremental'] as const).every(
      (scope) => after.settledMs[scope] >= before.settledMs[scope],
    );
    hold(isSettled, 'what is settled stays settled', () => `${task} ${JSON.stringify(after.settledMs)}`);
    if (after.node === before.node) {
      hold(after.generation === before.generation, 'a generation is of one node', () => task);
      return;
    }
    hold(after.generation === before.generation + 1, 'a move is a generation', () => task);
    this.figures.moves += 1;
    this.#checkCause(before, after, written);
    this.#movedMs.push(written.atMs);
  }

  /** A task leaves a node that is gone for long enough, or may not have it, or for the one that is preferred. */
  #checkCause(before: TaskRecord, after: TaskRecord, { atMs, decisions }: Written): void {
    if (before.node === '') return;
    const { task, node } = before;
    const { circumstances, now } = this.#history;
    const isGone = !now.nodes.has(node);
    const graceMs = atMs - (this.#markedAtMs.get(task) ?? atMs);
    if (isGone && before.notSuitable && graceMs * fastest >= limits.moveAfterMs) {
      this.figures.takeovers += 1;
      return;
    }
    const recent = circumstances.filter(
      (_, at) => (circumstances[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY) >= atMs - staleMs,
    );
    const isCaused = recent.some((one) => {
      const preference = one.objects.tasks[task]?.nodes;
      return (
        !this.isSuited(node, preference, one) || (preference?.prefer === after.node && after.node !== node)
      );
    });
    hold(
      isCaused || this.#isForBalance(before, after, atMs),
      'no move without a cause',
      () => `${task} from ${node} to ${after.node}: ${decisions.map(({ reason }) => reason).join()}`,
    );
  }

  /** It costs nobody a full backup, and goes to a node that has fewer. */
  #isForBalance(before: TaskRecord, after: TaskRecord, nowMs: number): boolean {
    const { objects } = this.#history.now;
    const isFree = before.owner === undefined || objects.tasks[before.task]?.incremental === undefined;
    const has = (node: string): number =>
      [...this.#history.tasks.values()].filter((one) => one.node === node && one.task !== before.task).length;
    // Decisions that are written together do not see each other.
    const others = this.#movedMs.filter((atMs) => atMs >= nowMs - togetherMs).length;
    return isFree && !before.running && has(after.node) <= has(before.node) + 2 * others;
  }

  isSuited(node: string, preference: NodePreference | undefined, { drains }: Circumstances): boolean {
    const { prefer, pin, tags = [] } = preference ?? {};
    if (pin && prefer !== node) return false;
    const has = this.#machines.get(node)?.tags ?? [];
    return tags.every((tag) => has.includes(tag)) && !drains.has(node);
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

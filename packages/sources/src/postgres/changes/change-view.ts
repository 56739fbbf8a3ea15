import {
  type ChangesResult,
  type ChangeView,
  type Clock,
  HoldfastError,
  type Mark,
  type OpenIncremental,
  type SettledChanges,
  type Sig,
} from '@holdfast/core';
import { readFacts, type ServerFacts } from '../full/identity.ts';
import { beginView } from '../full/snapshot.ts';
import { viewLockTimeoutMs } from '../full/view.ts';
import { openSession, pinnedTo, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { checkContinuity } from './continuity.ts';
import { ChangeDecoder, type Resolved } from './decode.ts';
import { compareTables, readColumns, type TableFacts } from './fingerprint.ts';
import { freeBytesAtServer } from './free-space.ts';
import { IncrementalView } from './incremental-view.ts';
import { keepChangesLimit } from './keep-limit.ts';
import { readLogEnd } from './log-end.ts';
import { parseLsn } from './lsn.ts';
import { ChangeLog } from './peek.ts';
import { type Findings, needsView, whatDiffers } from './settle.ts';
import { createSlot, openReplication, temporarySlotName } from './slot.ts';
import { type ChangeState, parseState } from './state.ts';
import { readSurvey, type Survey, stateOf } from './survey.ts';
import { readTimelineHistory, type TimelineHistory } from './timeline-history.ts';

export interface OpenChanges extends Sig, OpenIncremental {
  readonly clock: Clock;
  /** How much log the slot may hold back; undefined: the default. */
  readonly keepChangesMaxBytes?: number | undefined;
  /** The state of the newest chain that the run has tried to continue, if this is an older one. */
  readonly newest?: ChangeState | undefined;
}

/** @throws HoldfastError precondition_failed `continuity lost: …`, exhausted, permission_denied … */
export async function openChanges(target: Target, o: OpenChanges): Promise<PostgresChangeView> {
  const state = parseState(o.state);
  const session = await openSession(target, { signal: o.signal, lockTimeoutMs: viewLockTimeoutMs });
  const reading = await openSession(pinnedTo(session), { signal: o.signal }).catch(
    async (caught: unknown) => {
      await session[Symbol.asyncDispose]();
      throw caught;
    },
  );
  try {
    const facts = await readFacts(session);
    const limitBytes = keepChangesLimit({
      asked: o.keepChangesMaxBytes,
      freeBytes: await freeBytesAtServer(session),
    });
    const history = await historyOf(session, facts, o);
    const { newest = state } = o;
    await checkContinuity(session, { ...o, facts, history, newest, state, limitBytes });
    const log = await ChangeLog.open(reading, {
      slot: state.slot,
      twin: temporarySlotName(o.label, reading),
    });
    return new PostgresChangeView({ ...o, state, session, reading, facts, history, log, limitBytes });
  } catch (caught) {
    await Promise.all([session[Symbol.asyncDispose](), reading[Symbol.asyncDispose]()]);
    throw caught;
  }
}

/** Only a replication session can ask; the first timeline has no history. */
async function historyOf(
  session: Session,
  { timeline }: ServerFacts,
  o: Sig,
): Promise<TimelineHistory | undefined> {
  if (timeline === 1) return [];
  await using replication = await openReplication(pinnedTo(session), { signal: o.signal });
  return await readTimelineHistory(replication, timeline);
}

interface Parts extends OpenChanges {
  readonly state: ChangeState;
  /** Looks into the catalogs; becomes the view's. */
  readonly session: Session;
  /** Reads the log. */
  readonly reading: Session;
  readonly facts: ServerFacts;
  readonly history: TimelineHistory | undefined;
  readonly log: ChangeLog;
  readonly limitBytes: number;
}

/** What is known once all changes have been read. */
interface End {
  readonly survey: Survey;
  readonly found: Findings;
  /** The session is in a transaction that sees exactly the end; otherwise nothing needs to be seen there. */
  readonly frozen: boolean;
  readonly timeMs: number;
}

/**
 * An incremental: the log from the last backup to an end, and what the log does not tell. Most often nothing but row
 * changes happened: then the end is where the log ended when it began. If something has to be read whole, a temporary
 * slot is made, whose snapshot is exactly its begin: that is the end then, up to which the log is read on.
 */
export class PostgresChangeView implements ChangeView {
  readonly #parts: Parts;
  readonly #notices: string[] = [];
  readonly #decoder: ChangeDecoder;
  /** Tables whose row changes are wanted, and those that are only watched, by their printed names. */
  #watched = new Map<string, TableFacts>();
  #wanted = new Set<string>();
  #resolved = new Map<string, Resolved>();
  #end: End | undefined;
  #view: IncrementalView | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#decoder = new ChangeDecoder((printed) =>
      this.#wanted.has(printed) ? this.#resolved.get(printed) : 'skip',
    );
  }

  async *changes(o: Sig): AsyncGenerator<Uint8Array, ChangesResult, void> {
    const { session, log, state } = this.#parts;
    const logEnd = await readLogEnd(session, o);
    // After the end was taken: if nothing was altered by now, nothing was altered up to the end.
    const survey = await readSurvey(session, state);
    this.#watch(survey);
    const read = { ...o, decoder: this.#decoder, learn: (printed: string) => this.#learn(printed) };
    yield* log.read(logEnd.position, read);
    const found = this.#findings(survey);
    if (needsView(found)) yield* this.#readOnToView(logEnd, read);
    else this.#end = { survey, found, frozen: false, timeMs: this.#timeAt(logEnd.timeMs) };
    const counts = this.#decoder
      .seen()
      .flatMap(({ path, changes }) => (path === undefined ? [] : [[path, changes] as const]));
    return { rows: this.#decoder.lines, tables: Object.fromEntries(counts) };
  }

  async *#readOnToView(
    logEnd: Mark,
    read: Parameters<ChangeLog['read']>[1],
  ): AsyncGenerator<Uint8Array, void, void> {
    const { session, log, state, label, signal, clock } = this.#parts;
    const wait = { watcher: session, clock, notice: (text: string) => void this.#notices.push(text) };
    await using replication = await openReplication(pinnedTo(session), { signal });
    const slot = await createSlot(replication, label, { signal, temporary: true, wait });
    await beginView(session, slot.snapshot);
    const survey = await readSurvey(session, state);
    yield* log.read(slot.consistentPoint, read);
    if (parseLsn(log.position) !== parseLsn(slot.consistentPoint)) {
      throw new HoldfastError(
        'internal',
        `the log was read to ${log.position}, but the view is at ${slot.consistentPoint}`,
      );
    }
    this.#end = { survey, found: this.#findings(survey), frozen: true, timeMs: this.#timeAt(logEnd.timeMs) };
  }

  async settle(o: Sig): Promise<SettledChanges> {
    const end = this.#end;
    if (end === undefined)
      throw new HoldfastError('internal', 'settle was called before all changes were read');
    const { session, state, facts, history, log, since, limitBytes } = this.#parts;
    const { found, survey } = end;
    const readBytes = Number(parseLsn(log.position) - parseLsn(since.position));
    this.#view = await IncrementalView.open(session, {
      mark: { position: log.position, timeMs: end.timeMs },
      source: facts.source,
      state: stateOf(survey, { slot: state.slot, facts, history }),
      notices: this.#notices,
      found,
      frozen: end.frozen,
      ...o,
    });
    const replaced = [...found.replaced.map((table) => table.path), ...found.replacedSpecial];
    const dropped = [...found.dropped, ...found.droppedSpecial];
    // Other databases of the server may have written much log: an incremental without content lets it go, too.
    const tooMuchLog = readBytes > limitBytes / 8;
    const changed = this.#decoder.transactions > 0 || replaced.length > 0 || dropped.length > 0 || tooMuchLog;
    return { view: this.#view, replaced, dropped, changed };
  }

  /** The server's clock when the end was taken, or the newest commit that came along, if a wait lies between. */
  #timeAt(timeMs: number): number {
    const last = this.#decoder.lastCommitMs;
    return Number.isNaN(last) ? timeMs : Math.max(timeMs, last);
  }

  #findings(survey: Survey): Findings {
    return whatDiffers(this.#parts.state, survey, this.#decoder.seen());
  }

  /** Decides whose changes are wanted: not those of tables that will be read whole anyway. */
  #watch(survey: Survey): void {
    const { state } = this.#parts;
    const { replaced } = compareTables(state, survey.tables, {
      changedTypes: survey.types.changed,
      // Whether a TRUNCATE explains what happened is known only when the log has been read.
      truncatedBy: (table) => table.mark[2],
    });
    const altered = new Set(replaced);
    this.#watched = new Map(survey.tables.map((table) => [table.printed, table]));
    this.#wanted = new Set(
      survey.tables.filter((table) => table.keyed && !altered.has(table)).map((table) => table.printed),
    );
  }

  /** Reads the columns of all tables at once: one query, when the first change of any comes. */
  async #learn(printed: string): Promise<void> {
    const columns = await readColumns(this.#parts.session);
    for (const name of this.#wanted) {
      const table = this.#watched.get(name);
      const found = columns.get(name);
      // Renamed, dropped or given another key since: it comes whole, or not at all.
      const same = found !== undefined && found.keyIndex === table?.keyIndex;
      this.#resolved.set(name, same ? { ...found, path: table.path } : 'skip');
    }
    if (!this.#resolved.has(printed)) this.#resolved.set(printed, 'skip');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { session, reading } = this.#parts;
    await Promise.all([reading[Symbol.asyncDispose](), (this.#view ?? session)[Symbol.asyncDispose]()]);
  }
}

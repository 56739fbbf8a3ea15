import { dirname } from 'node:path';
import {
  type ChangeView,
  type Clock,
  type Finding,
  type FrozenView,
  HoldfastError,
  type Mark,
  type OpenFull,
  type OpenIncremental,
  type OpenTarget,
  type RestoreTarget,
  type Sig,
  type Source,
  type SourceFeatures,
  type SourceInfo,
} from '@holdfast/core';
import { tablesOf } from './catalog.ts';
import { databaseFiles, openConnection, pragma, whenFree } from './connection.ts';
import { acknowledgeRevisions, consumerMark, holdRevisions, releaseRevisions, writing } from './consumers.ts';
import { copyView, wantsCopy } from './copied-view.ts';
import { diagnoseDatabases, preparedFindings } from './diagnose.ts';
import { translate } from './errors.ts';
import { type Frozen, freeze } from './freeze.ts';
import { SqliteView } from './full-view.ts';
import { identityOf, preparedId, sqliteType } from './identity.ts';
import { keepTables, SqliteChanges } from './incremental.ts';
import { noBytesFindings } from './no-bytes.ts';
import { planTables } from './plan.ts';
import { forgetDatabase, lastSequence, prepareDatabase } from './prepare.ts';
import { lastSequences, RevisionReader, sequencesPosition } from './revision-reader.ts';
import { schemaLines, schemaPlan } from './schema-chunk.ts';
import { imagePlan } from './snapshot-view.ts';
import {
  isUnchanged,
  keepFingerprints,
  positionOf,
  readState,
  type SqliteState,
  schemaVersions,
} from './state.ts';
import { SqliteTarget } from './target.ts';
import type { SqliteUrl } from './url.ts';

/** One SQLite database, or several that are attached to one another and backed up at one point in time. */
export class SqliteSource implements Source {
  readonly type = sqliteType;
  readonly features: SourceFeatures = { types: ['logical', 'snapshot'], pointInTime: true };
  readonly description: string;
  readonly #url: SqliteUrl;
  readonly #clock: Clock;

  constructor(url: SqliteUrl, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
    this.description = `sqlite:${url.path}`;
  }

  async inspect(o: Sig): Promise<SourceInfo> {
    const files = databaseFiles(this.#url);
    return this.#reading(o, 'cannot inspect', (db) => {
      const identity = identityOf(db, this.#url);
      const prepared = files.flatMap((file) => preparedFindings(db, file.name));
      return {
        ...identity,
        sizeBytes: files.reduce((sum, file) => {
          const size =
            Number(pragma(db, file.name, 'page_size')) * Number(pragma(db, file.name, 'page_count'));
          return sum + size;
        }, 0),
        tables: files.reduce((sum, file) => sum + tablesOf(db, file.name).length, 0),
        folders: [...new Set(files.map((file) => dirname(file.path)))],
        unmetForFull: noBytesFindings(files),
        unmetForIncremental: prepared.filter((one) => one.severity === 'error'),
      };
    });
  }

  async openFull(o: Sig & OpenFull): Promise<FrozenView> {
    const notices: string[] = [];
    const kept = o.keepChanges && (await this.#isPrepared(o));
    if (kept) {
      // Before the view: what is committed in between is in the view and, once more, among the changes.
      await this.#bringUpToDate(o);
      await holdRevisions(this.#url, o.label, { ...o, clock: this.#clock });
    }
    const frozen = await this.#freeze(o, notices);
    try {
      const source = identityOf(frozen.db, this.#url);
      const nowMs = this.#clock.now();
      const names = frozen.databases.map((one) => one.name);
      const sequences = kept ? lastSequences(frozen) : {};
      const tables = planTables(frozen, { compare: () => false, cuts: (_path, fresh) => fresh });
      const isImage = o.type === 'snapshot';
      const state: SqliteState = {
        version: 1,
        mode: kept ? 'revisions' : 'chunks',
        ...(kept ? { label: o.label } : {}),
        sequences,
        schemas: schemaVersions(frozen),
        fingerprints: keepFingerprints(frozen, nowMs),
        tables: keepTables(frozen, tables, () => false),
        ...(isImage ? { image: true } : {}),
      };
      const position = kept ? sequencesPosition(sequences) : positionOf(frozen.databases);
      const mark: Mark = { position, timeMs: nowMs };
      const lines = schemaLines(frozen.db, names);
      const rows = tables.flatMap((table) => table.chunks);
      const chunks = isImage ? [imagePlan(frozen)] : [schemaPlan(lines, false), ...rows];
      return new SqliteView({ frozen, mark, source, chunks, state, notices, schemaLines: lines });
    } catch (caught) {
      frozen[Symbol.dispose]();
      throw translate(caught, `cannot read ${this.#url.path}`);
    }
  }

  async openIncremental(o: Sig & OpenIncremental): Promise<ChangeView> {
    const state = readState(o.state);
    const notices: string[] = [];
    const byRevisions = state.mode === 'revisions' && state.label !== undefined;
    const prepared = await this.#isPrepared(o);
    if (byRevisions && !prepared) throw lost('the database is not prepared any more');
    if (prepared) await this.#bringUpToDate(o);
    // Prepared since the chain began: compared once more, and by revisions from then on.
    const fromNowOn = prepared && !byRevisions;
    if (fromNowOn) await holdRevisions(this.#url, o.label, { ...o, clock: this.#clock });
    const frozen = await this.#freeze(o, notices, (view) => isUnchanged(view, state));
    try {
      if (byRevisions) this.#checkContinuity(frozen, state, state.label as string);
      const revisions = byRevisions ? new RevisionReader(frozen, state) : undefined;
      const source = identityOf(frozen.db, this.#url);
      const nowMs = this.#clock.now();
      const keeping = fromNowOn ? { label: o.label } : {};
      return new SqliteChanges({ frozen, state, source, nowMs, notices, revisions, ...keeping });
    } catch (caught) {
      frozen[Symbol.dispose]();
      throw translate(caught, `cannot read ${this.#url.path}`);
    }
  }

  #checkContinuity(frozen: Frozen, state: SqliteState, label: string): void {
    for (const { name } of frozen.databases) {
      const mark = consumerMark(frozen.db, name, label);
      const since = state.sequences[name];
      if (mark === undefined || since === undefined)
        throw lost(`no changes are kept for this chain in ${name}`);
      if (mark > since)
        throw lost(`changes of ${name} are kept from ${mark} on, and the chain ends at ${since}`);
      if (lastSequence(frozen.db, name) < since) throw lost(`the changes of ${name} begin anew`);
    }
  }

  async acknowledge(o: Sig & { readonly state: unknown; readonly mark: Mark }): Promise<void> {
    const state = readState(o.state);
    if (state.mode !== 'revisions' || state.label === undefined) return;
    if (!(await this.#isPrepared(o))) return;
    await acknowledgeRevisions(this.#url, state.label, state.sequences, { ...o, clock: this.#clock });
  }

  async forgetChanges(o: Sig & ({ readonly label: string } | { readonly state: unknown })): Promise<void> {
    const label = 'label' in o ? o.label : readState(o.state).label;
    if (label === undefined || !(await this.#isPrepared(o))) return;
    await releaseRevisions(this.#url, label, { ...o, clock: this.#clock });
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    return writing(this.#url, this.#waits(o), `cannot prepare ${this.#url.path}`, (db, files) =>
      files.flatMap((file) => prepareDatabase(db, file)),
    );
  }

  async forget(o: Sig): Promise<readonly string[]> {
    return writing(this.#url, this.#waits(o), `cannot clean ${this.#url.path}`, (db, files) =>
      files.flatMap((file) => forgetDatabase(db, file.name)),
    );
  }

  async diagnose(o: Sig): Promise<readonly Finding[]> {
    return this.#reading(o, 'cannot look at', (db) => diagnoseDatabases(db, this.#url));
  }

  async openTarget(o: Sig & OpenTarget): Promise<RestoreTarget> {
    o.signal.throwIfAborted();
    return new SqliteTarget(this.#url, o, this.#clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Tables that are new or altered since `prepare` get their triggers; writes only when there is something to write. */
  async #bringUpToDate(o: Sig): Promise<void> {
    const files = databaseFiles(this.#url);
    const stale = await this.#reading(o, 'cannot look at', (db) =>
      files.some((file) => preparedFindings(db, file.name).some((one) => one.severity !== 'info')),
    );
    if (stale) await this.prepare(o);
  }

  async #isPrepared(o: Sig): Promise<boolean> {
    return this.#reading(o, 'cannot look at', (db) =>
      databaseFiles(this.#url).every((file) => preparedId(db, file.name) !== undefined),
    );
  }

  /** `unread`: nothing but the schema will be read, so that a copy is not worth its while. */
  async #freeze(o: Sig, notices: string[], unread = (_frozen: Frozen): boolean => false): Promise<Frozen> {
    const notice = (text: string): void => {
      notices.push(text);
    };
    const frozen = await freeze(this.#url, { ...o, clock: this.#clock, notice });
    const [unmet] = noBytesFindings(frozen.databases);
    if (unmet) {
      frozen[Symbol.dispose]();
      throw new HoldfastError(unmet.code ?? 'precondition_failed', unmet.message, { hint: unmet.hint });
    }
    if (unread(frozen) || frozen.databases.every((one) => one.journal === 'wal')) return frozen;
    if (!wantsCopy(frozen)) {
      notice('the database is not in WAL mode: its writers wait while it is read');
      return frozen;
    }
    try {
      const copy = copyView(frozen, { ...o, notice });
      if (!copy) return frozen;
      frozen[Symbol.dispose]();
      return copy;
    } catch (caught) {
      frozen[Symbol.dispose]();
      throw caught;
    }
  }

  async #reading<T>(o: Sig, what: string, work: (db: ReturnType<typeof openConnection>) => T): Promise<T> {
    o.signal.throwIfAborted();
    const db = openConnection(this.#url, { write: false });
    try {
      return await whenFree(() => work(db), {
        ...this.#waits(o),
        timeoutMs: this.#url.busyTimeoutMs,
        what: `${what} ${this.#url.path}`,
      });
    } finally {
      db.close();
    }
  }

  #waits(o: Sig): Sig & { readonly clock: Clock } {
    return { signal: o.signal, clock: this.#clock };
  }
}

function lost(why: string): HoldfastError {
  return new HoldfastError('precondition_failed', `continuity lost: ${why}`, { hint: 'make a full backup' });
}

import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  type ChunkPlan,
  type Clock,
  type DriverToken,
  type Finding,
  HoldfastError,
  type ImageChange,
  type OpenTarget,
  type RestoreTarget,
  relationPath,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import { layoutOf, tablesOf } from './catalog.ts';
import { type DatabaseFile, databaseFiles } from './connection.ts';
import { isForeign, translate } from './errors.ts';
import { imageOfFile } from './file-image.ts';
import { ImageBuild } from './image-build.ts';
import { type LoaderData, openBuild } from './loader.ts';
import { quoteName } from './names.ts';
import type { ReaderData, RowsPlan } from './page-reader.ts';
import { allRowids, PageRows } from './page-rows.ts';
import { prepareWrite } from './row-inserter.ts';
import {
  buildPath,
  makeFolders,
  publishFile,
  removeFolders,
  removeLeftovers,
  sideSuffixes,
  syncFile,
  TargetLock,
  targetProblems,
} from './target-files.ts';
import {
  applyProperties,
  createRest,
  createTables,
  databasesOf,
  journalModeOf,
  statementsOf,
  tryOut,
} from './target-schema.ts';
import type { SqliteUrl } from './url.ts';

/** Lines of integrity_check that tell of rows which the source has as well, not of damage. */
const foreignFindings =
  /^(?:CHECK constraint failed in|NULL value in|NUMERIC value in|TEXT value in|non-\w+ value in)/;

/**
 * A database in the making, beside its place: `.new.db.holdfast-<id>`. An interrupted restore is not taken up: what
 * is built without a journal cannot be trusted after a crash, and building it anew is quick.
 */
export class SqliteTarget implements RestoreTarget {
  readonly description: string;
  readonly problems: readonly Finding[];
  readonly loaded: ReadonlyMap<string, number> = new Map();
  readonly loadersMax = 1;
  readonly #files: readonly DatabaseFile[];
  readonly #open: OpenTarget;
  readonly #clock: Clock;
  #schema: readonly SchemaStatement[] = [];
  readonly #locks: TargetLock[] = [];
  readonly #folders: string[] = [];
  readonly #connections = new Map<string, DatabaseSync>();
  #image: ImageBuild | undefined;

  constructor(url: SqliteUrl, open: OpenTarget, clock: Clock) {
    this.#clock = clock;
    this.#files = databaseFiles(url);
    this.#open = open;
    this.description = `sqlite:${url.path}`;
    this.problems = [...foreignSource(open), ...this.#files.flatMap(targetProblems)];
  }

  get token(): DriverToken {
    const data: LoaderData & ReaderData = {
      databases: Object.fromEntries(this.#files.map((file) => [file.name, this.#build(file)])),
      files: this.#files.map((file) => this.#build(file)),
      workPath: this.#workPath,
    };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async check(schema: readonly SchemaStatement[], o: Sig): Promise<readonly Finding[]> {
    o.signal.throwIfAborted();
    const names = databasesOf(schema);
    const homeless = names.filter((name) => !this.#files.some((file) => file.name === name));
    const findings = homeless.map(
      (name): Finding => ({
        check: `attached database ${name}`,
        ok: false,
        severity: 'error',
        code: 'config_invalid',
        message: `the backup holds the attached database \`${name}\`, and the target says no path for it`,
        hint: `add \`attach=${name}:path\` to the target's URL`,
      }),
    );
    return [...findings, ...names.flatMap((name) => tryOut(schema, name))];
  }

  async create(schema: readonly SchemaStatement[], o: Sig): Promise<void> {
    o.signal.throwIfAborted();
    await this.#begin(o);
    this.#schema = schema;
    for (const file of this.#files) {
      const own = statementsOf(schema, file.name);
      try {
        const db = this.#connection(file);
        applyProperties(db, own, 'first');
        createTables(db, own);
      } catch (caught) {
        throw translate(caught, `cannot create ${file.path}`);
      }
    }
  }

  async loadImage(blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void> {
    await this.#begin(o);
    const places = new Map(this.#files.map((file) => [file.name, this.#build(file)]));
    this.#image = await ImageBuild.receive(blocks, places, o);
  }

  async loadSpecial(path: string): Promise<void> {
    throw new HoldfastError('corrupt', `a backup of SQLite has no special chunks, and this one has ${path}`);
  }

  async applyOnImage(change: ImageChange, o: Sig): Promise<void> {
    if (!this.#image) throw new HoldfastError('internal', 'changes are applied before the image is loaded');
    await this.#image.apply(change, o);
  }

  async finish(o: Sig & { readonly progress: (doneRatio: number, what: string) => void }): Promise<void> {
    for (const file of this.#files) {
      o.signal.throwIfAborted();
      try {
        if (this.#image) this.#image.finish(file.name);
        else this.#finishBuilt(file, o.progress);
        this.#verify(file);
      } catch (caught) {
        throw translate(caught, `cannot finish ${file.path}`);
      }
    }
  }

  #finishBuilt(file: DatabaseFile, progress: (doneRatio: number, what: string) => void): void {
    const db = this.#connection(file);
    const own = statementsOf(this.#schema, file.name);
    db.exec('PRAGMA cache_size=-262144');
    createRest(db, own, (done, of, what) => progress(done / Math.max(1, of), what));
    this.#placeSequences(db, file);
    applyProperties(db, own, 'last');
  }

  #placeSequences(db: DatabaseSync, file: DatabaseFile): void {
    if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get()) return;
    db.exec('DELETE FROM sqlite_sequence');
    if (!existsSync(this.#workPath)) return;
    const work = openBuild(this.#workPath);
    try {
      const name = `sequence_${file.name}`;
      if (!work.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(name)) return;
      const insert = prepareWrite(db, 'INSERT INTO sqlite_sequence(rowid, name, seq) VALUES(?, ?, ?)');
      const rows = work.prepare(`SELECT rowid, name, seq FROM ${quoteName(name)} ORDER BY rowid`, {
        readBigInts: true,
        returnArrays: true,
      });
      for (const row of rows.iterate()) insert.run(...(row as unknown as never[]));
    } finally {
      work.close();
    }
  }

  #verify(file: DatabaseFile): void {
    const lines = this.#checked(file);
    if (lines.length === 0) return;
    throw new HoldfastError('corrupt', `the restored ${file.path} fails its integrity check: ${lines[0]}`, {
      hint: 'verify the backup with `holdfast check`; if it is good, check this disk and memory',
    });
  }

  #checked(file: DatabaseFile): string[] {
    const db = this.#connection(file);
    try {
      return (db.prepare('PRAGMA integrity_check').all() as { integrity_check: string }[])
        .map((row) => row.integrity_check)
        .filter((line) => line !== 'ok' && !foreignFindings.test(line));
    } catch (caught) {
      // An image may need collations and functions of its application; then its tables are read to the end instead.
      if (!this.#image || !isForeign(caught)) throw caught;
      using opened = imageOfFile(this.#build(file));
      using rows = new PageRows(opened.image);
      for (const table of tablesOf(db, 'main')) for (const _ of rows.read(layoutOf(db, table), allRowids));
      return [];
    }
  }

  async readBack(o: Sig): Promise<readonly ChunkPlan[]> {
    o.signal.throwIfAborted();
    // An image is compared as a whole, by its checksum; there were no rows that could be compared.
    if (this.#image) return [];
    return this.#files.flatMap((file, database) => {
      const db = this.#connection(file);
      return tablesOf(db, 'main').map((table): ChunkPlan => {
        const layout = layoutOf(db, table);
        const how: RowsPlan = { database, layout, low: String(allRowids.low), high: String(allRowids.high) };
        return {
          path: relationPath([file.name, table.name]),
          kind: 'rows',
          columns: table.output,
          estimatedBytes: 0,
          local: false,
          compare: false,
          how,
        };
      });
    });
  }

  async publish(o: Sig): Promise<void> {
    o.signal.throwIfAborted();
    for (const file of this.#files) {
      const wal = this.#image
        ? this.#image.isWal(file.name)
        : journalModeOf(statementsOf(this.#schema, file.name)) === 'wal';
      if (wal) this.#connection(file).exec('PRAGMA journal_mode=WAL');
    }
    this.#closeConnections();
    try {
      for (const file of this.#files) syncFile(this.#build(file));
      // The main database last: while it is not there, nothing is.
      for (const file of [...this.#files].reverse()) publishFile(this.#build(file), file);
    } catch (caught) {
      throw translate(caught, `cannot publish ${this.#files[0]?.path}`);
    }
    this.#folders.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closeConnections();
    if (this.#locks.length === 0) {
      removeFolders(this.#folders);
      return;
    }
    for (const file of this.#files) {
      const built = this.#build(file);
      for (const suffix of ['', ...sideSuffixes]) rmSync(built + suffix, { force: true });
    }
    rmSync(this.#workPath, { force: true });
    for (const lock of this.#locks.splice(0)) lock[Symbol.dispose]();
    removeFolders(this.#folders);
  }

  async #begin(o: Sig): Promise<void> {
    const problem = this.problems[0];
    if (problem) {
      throw new HoldfastError(problem.code ?? 'precondition_failed', problem.message, { hint: problem.hint });
    }
    for (const file of this.#files) {
      this.#folders.push(...makeFolders(dirname(file.path)));
      const waits = { ...o, clock: this.#clock, timeoutMs: this.#open.startTimeoutMs };
      this.#locks.push(await TargetLock.wait(file.path, waits));
      removeLeftovers(file.path);
    }
  }

  #connection(file: DatabaseFile): DatabaseSync {
    let db = this.#connections.get(file.name);
    if (!db) {
      db = openBuild(this.#build(file));
      this.#connections.set(file.name, db);
    }
    return db;
  }

  #closeConnections(): void {
    this.#image?.close();
    for (const db of this.#connections.values()) db.close();
    this.#connections.clear();
  }

  #build(file: DatabaseFile): string {
    return buildPath(file.path, this.#open.id);
  }

  get #workPath(): string {
    return `${buildPath(this.#files[0]?.path ?? '', this.#open.id)}.work`;
  }
}

function foreignSource(open: OpenTarget): Finding[] {
  if (open.from.type === 'sqlite') return [];
  return [
    {
      check: 'type of the backup',
      ok: false,
      severity: 'error',
      code: 'unsupported',
      message: `a backup of ${open.from.type} cannot be restored into SQLite`,
      hint: `name a target of type ${open.from.type}`,
    },
  ];
}

import {
  type ChunkPlan,
  type Clock,
  type DriverToken,
  type Finding,
  HoldfastError,
  type OpenTarget,
  type RestoreTarget,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import { planTables } from '../full/plan.ts';
import { openSession, type Session, staysAt } from '../session/session.ts';
import { describeTarget, type Target, toTargetRecord } from '../session/url.ts';
import { build, recipeOf } from './build.ts';
import { type CheckSchema, checkSchema, chooseLocale } from './check-schema.ts';
import { type DatabaseProperties, readProperties } from './database-properties.ts';
import { type WantedDatabase, wantedDatabase } from './database-statements.ts';
import { finish } from './finish.ts';
import { type JournalEntries, journalSchema } from './journal.ts';
import type { LoaderData } from './loader.ts';
import { openMaintenance } from './maintenance.ts';
import { publish } from './publish.ts';
import { obstacle } from './requirements.ts';
import { loadSpecial } from './special.ts';
import { type Passes, toPasses } from './statements.ts';
import { lookAtTarget, type TargetFacts } from './target-facts.ts';
import { describeHolder, lockTarget } from './target-lock.ts';
import { applicationPrefix, dropTemporary } from './temporary-database.ts';
import { cutToBytes, type Mark, nameBytesMax, temporaryName } from './temporary-name.ts';
import { openWork, withSessions } from './work-sessions.ts';

export interface OpenRestore extends OpenTarget, Sig {
  readonly clock: Clock;
}

const loadersMost = 16;
const finishersMax = 4;
/** For the maintenance session, the work sessions between loads, and somebody who wants to look. */
const connectionsKept = 3;

/**
 * A restore into the database that the URL names.
 * @throws HoldfastError unauthenticated, unavailable, unsupported (a snapshot). What else stands in the way is in `problems`
 */
export async function openTarget(target: Target, o: OpenRestore): Promise<RestoreTarget> {
  if (o.type === 'snapshot') {
    throw new HoldfastError('unsupported', 'a snapshot of PostgreSQL is not restored into a running server', {
      hint: 'restore it into a folder, and start a server on that',
    });
  }
  const name = target.database;
  const ours = { ...target, applicationName: cutToBytes(`${applicationPrefix} ${o.id}`, nameBytesMax) };
  // Not the caller's signal: the lock is held until the end, and what was made has to be dropped after an abort, too.
  const life = new AbortController();
  const stop = (): void => life.abort(o.signal.reason);
  o.signal.throwIfAborted();
  o.signal.addEventListener('abort', stop, { once: true });
  let maintenance: Session | undefined;
  try {
    maintenance = await openMaintenance(ours, { signal: life.signal });
    const waitMs = o.startTimeoutMs;
    const holder = await lockTarget(maintenance, name, { signal: life.signal, clock: o.clock, waitMs });
    const { facts, problems } = await lookAtTarget(maintenance, name, { from: o.from, signal: life.signal });
    const busy = holder && [
      obstacle(
        'no other restore',
        'conflict',
        `another restore into ${name} is running: ${describeHolder(holder)}`,
        'wait for its end, or stop it, then run this one again',
      ),
    ];
    return new PostgresRestoreTarget({
      maintenance,
      name,
      facts,
      problems: [...(busy ?? []), ...problems],
      open: o,
    });
  } catch (caught) {
    await maintenance?.[Symbol.asyncDispose]();
    throw caught;
  } finally {
    o.signal.removeEventListener('abort', stop);
  }
}

interface Parts {
  readonly maintenance: Session;
  readonly name: string;
  readonly facts: TargetFacts;
  readonly problems: readonly Finding[];
  readonly open: OpenRestore;
}

/** What `create` leaves for the steps after it. */
interface Made {
  readonly passes: Passes;
  readonly wanted: WantedDatabase;
  readonly entries: JournalEntries;
}

class PostgresRestoreTarget implements RestoreTarget {
  readonly description: string;
  readonly problems: readonly Finding[];
  readonly loadersMax: number;
  readonly #parts: Parts;
  readonly #temporary: Target;
  #made: Made | undefined;
  /** Of the temporary database, from the moment at which there may be one until there is none. */
  #litter: Mark | undefined;

  constructor(parts: Parts) {
    const { maintenance, name, open, facts } = parts;
    this.#parts = parts;
    this.problems = parts.problems;
    this.description = describeTarget({ ...staysAt(maintenance), database: name });
    this.#temporary = { ...staysAt(maintenance), database: temporaryName(name, open.id) };
    this.loadersMax = Math.min(loadersMost, Math.max(1, facts.freeConnections - connectionsKept));
  }

  get #afterCreate(): Made {
    if (!this.#made) throw new HoldfastError('internal', 'a restore target is used before it was created');
    return this.#made;
  }

  get loaded(): ReadonlyMap<string, number> {
    return this.#afterCreate.entries.loads;
  }

  get token(): DriverToken {
    const data: LoaderData = { target: toTargetRecord(this.#temporary) };
    return { module: new URL('../worker.ts', import.meta.url).href, data };
  }

  #checkOf(schema: readonly SchemaStatement[], properties: DatabaseProperties): CheckSchema {
    const { maintenance, name, facts, open } = this.#parts;
    const { noOwner } = open;
    return { maintenance, schema, properties, noOwner, target: name, facts };
  }

  async check(schema: readonly SchemaStatement[], o: Sig): Promise<readonly Finding[]> {
    o.signal.throwIfAborted();
    return await checkSchema(this.#checkOf(schema, readProperties(schema)));
  }

  async create(schema: readonly SchemaStatement[], o: Sig): Promise<void> {
    const { maintenance, name, facts, open } = this.#parts;
    const { noOwner } = open;
    const properties = readProperties(schema);
    const check = this.#checkOf(schema, properties);
    const [problem] = [...this.problems, ...(await checkSchema(check))];
    if (problem) {
      throw new HoldfastError(problem.code ?? 'precondition_failed', problem.message, { hint: problem.hint });
    }
    const passes = toPasses(schema, { noOwner, superuser: facts.superuser });
    const wanted = wantedDatabase(properties, { noOwner, existing: facts.existing });
    o.signal.throwIfAborted();
    const mark: Mark = { role: 'building', target: name, id: open.id, recipe: recipeOf(passes) };
    this.#litter = mark;
    const entries = await build({
      maintenance,
      temporary: this.#temporary,
      mark,
      locale: (await chooseLocale(check)) ?? properties.locale,
      tablespace: properties.tablespace,
      wanted,
      preData: passes.preData,
      signal: o.signal,
    });
    this.#made = { passes, wanted, entries };
  }

  async loadSpecial(path: string, blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void> {
    const { noOwner } = this.#parts.open;
    const done = this.#afterCreate.entries.steps;
    await withSessions(this.#temporary, 1, o, ([session]) =>
      loadSpecial({ session, path, blocks, noOwner, done, signal: o.signal }),
    );
  }

  async finish(o: Sig & { readonly progress: (doneRatio: number, what: string) => void }): Promise<void> {
    const { passes, entries } = this.#afterCreate;
    const count = Math.min(finishersMax, this.loadersMax);
    await withSessions(this.#temporary, count, o, (sessions) =>
      finish({ sessions, passes, steps: entries.steps, signal: o.signal, progress: o.progress }),
    );
  }

  async readBack(o: Sig): Promise<readonly ChunkPlan[]> {
    return await withSessions(this.#temporary, 1, o, async ([session]) => {
      const tables = await planTables(session);
      return tables.filter((table) => table.schema !== journalSchema).flatMap((table) => table.chunks);
    });
  }

  async publish(o: Sig): Promise<void> {
    const { passes, wanted } = this.#afterCreate;
    const { maintenance, name, open } = this.#parts;
    await publish({
      maintenance,
      openTemporary: () => openWork(this.#temporary, o),
      target: name,
      temporary: this.#temporary.database,
      id: open.id,
      wanted,
      last: passes.last,
      published: () => {
        this.#litter = undefined;
      },
      signal: o.signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { maintenance } = this.#parts;
    // Nothing is thrown from here: it would cover up why the restore ended. What cannot be dropped now carries its
    // mark, and the next restore into this target drops it.
    if (this.#litter) await this.#drop(this.#litter).catch(() => {});
    await maintenance[Symbol.asyncDispose]();
  }

  async #drop(mark: Mark): Promise<void> {
    const { maintenance, name, open } = this.#parts;
    if (maintenance.alive) return await dropTemporary(maintenance, this.#temporary.database, mark);
    const signal = new AbortController().signal;
    await using again = await openSession(staysAt(maintenance), { signal });
    // The lock went with the lost session. Whoever has it now may have taken up this very database.
    const holder = await lockTarget(again, name, { signal, clock: open.clock, waitMs: 0 });
    if (!holder) await dropTemporary(again, this.#temporary.database, mark);
  }
}

import type {
  ChunkPlan,
  DriverToken,
  FrozenView,
  Mark,
  ReadResult,
  Sig,
  SourceIdentity,
} from '@holdfast/core';
import { readSchemaChunk, schemaChunk } from '../schema/read-schema.ts';
import type { Session } from '../session/session.ts';
import { type How, type PlannedTable, planTables } from './plan.ts';
import { CopyReader, readerData } from './reader.ts';
import { exportSnapshot } from './snapshot.ts';
import { planSpecial } from './special.ts';

export const viewLockTimeoutMs = 30_000;

export interface ViewParts {
  /** In a transaction of `beginView`. The view owns it, and its transaction is what keeps the view alive. */
  readonly session: Session;
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly state: unknown;
  readonly notices?: readonly string[];
  /** Of the tables, only these; the schema, sequences and large objects are always among the chunks. */
  readonly oids?: readonly number[];
}

/**
 * Plans what the session's snapshot shows, locks it against being dropped, and shares it.
 * @throws HoldfastError permission_denied naming all that cannot be read; the session stays the caller's then
 */
export async function openView(parts: ViewParts): Promise<PostgresView> {
  const { session } = parts;
  const tables = await planTables(session, { lock: true, ...(parts.oids ? { oids: parts.oids } : {}) });
  const special = await planSpecial(session);
  const snapshot = await exportSnapshot(session);
  const reader = new CopyReader(session);
  return new PostgresView({ ...parts, tables, special, snapshot, reader });
}

/** One point in time of one database. */
export class PostgresView implements FrozenView {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  readonly token: DriverToken;
  readonly state: unknown;
  readonly notices: readonly string[];
  /** For whoever asks what the view holds by oid. */
  readonly tables: readonly PlannedTable[];
  readonly session: Session;
  readonly #snapshot: string;
  readonly #reader: CopyReader;

  constructor(
    parts: ViewParts & {
      readonly tables: readonly PlannedTable[];
      readonly special: readonly ChunkPlan[];
      readonly snapshot: string;
      readonly reader: CopyReader;
    },
  ) {
    this.mark = parts.mark;
    this.source = parts.source;
    this.state = parts.state;
    this.notices = parts.notices ?? [];
    this.tables = parts.tables;
    this.session = parts.session;
    this.#snapshot = parts.snapshot;
    this.#reader = parts.reader;
    // The schema first: whoever reads the backup from its beginning meets the tables before their rows.
    this.chunks = [schemaChunk, ...parts.special, ...parts.tables.flatMap((table) => table.chunks)];
    this.token = {
      module: new URL('../worker.ts', import.meta.url).href,
      data: readerData(parts.session, parts.snapshot),
    };
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    if ((chunk.how as How).kind !== 'schema') return yield* this.#reader.read(chunk, o);
    const how = { snapshot: this.#snapshot, lockTimeoutMs: viewLockTimeoutMs, signal: o.signal };
    return yield* readSchemaChunk(this.session, how);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

import {
  type ChunkPlan,
  type DriverToken,
  type FrozenView,
  HoldfastError,
  type Mark,
  type ReadResult,
  type Sig,
  type SourceIdentity,
} from '@holdfast/core';
import { type How, type PlannedTable, planTables } from '../full/plan.ts';
import { CopyReader, readerData } from '../full/reader.ts';
import { exportSnapshot } from '../full/snapshot.ts';
import { viewLockTimeoutMs } from '../full/view.ts';
import { readSchemaChunk, schemaChunk } from '../schema/read-schema.ts';
import type { Session } from '../session/session.ts';
import type { Findings } from './settle.ts';
import type { ChangeState } from './state.ts';

export interface OpenIncrementalView extends Sig {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly state: ChangeState;
  readonly notices: readonly string[];
  readonly found: Findings;
  /** The session's transaction sees exactly the end. */
  readonly frozen: boolean;
}

/** What an incremental reads besides the log, at the incremental's end. */
export class IncrementalView implements FrozenView {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  readonly token: DriverToken;
  readonly state: unknown;
  readonly notices: readonly string[];
  readonly #session: Session;
  readonly #snapshot: string | undefined;
  readonly #reader: CopyReader;

  private constructor(
    session: Session,
    o: OpenIncrementalView,
    parts: { chunks: readonly ChunkPlan[]; snapshot: string | undefined; reader: CopyReader },
  ) {
    this.mark = o.mark;
    this.source = o.source;
    this.state = o.state;
    this.notices = o.notices;
    this.chunks = parts.chunks;
    this.#session = session;
    this.#snapshot = parts.snapshot;
    this.#reader = parts.reader;
    this.token = {
      module: new URL('../worker.ts', import.meta.url).href,
      data: readerData(session, parts.snapshot),
    };
  }

  /** Owns the session from then on. */
  static async open(session: Session, o: OpenIncrementalView): Promise<IncrementalView> {
    const { found } = o;
    if (!o.frozen) {
      // Nothing is read that a transaction could change: sequences know none.
      const reader = new CopyReader(session);
      return new IncrementalView(session, o, { chunks: found.special, snapshot: undefined, reader });
    }
    const oids = [...found.replaced, ...found.unlogged].map((table) => table.oid);
    const planned = await planTables(session, { oids, lock: true });
    const snapshot = await exportSnapshot(session);
    const reader = new CopyReader(session);
    const compared = new Set(found.unlogged.map((table) => table.oid));
    const rows = planned.flatMap((table) =>
      compared.has(table.oid) ? [comparedChunk(table)] : table.chunks,
    );
    const chunks = [...(found.schema ? [schemaChunk] : []), ...found.special, ...rows];
    return new IncrementalView(session, o, { chunks, snapshot, reader });
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    if ((chunk.how as How).kind !== 'schema') return yield* this.#reader.read(chunk, o);
    const how = { snapshot: this.#snapshot ?? '', lockTimeoutMs: viewLockTimeoutMs, signal: o.signal };
    return yield* readSchemaChunk(this.#session, how);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

/** One chunk whatever the table's size: ranges would change with it, and stale ones would stay. */
function comparedChunk(table: PlannedTable): ChunkPlan {
  const [first] = table.chunks;
  if (first === undefined) throw new HoldfastError('internal', 'a table has no chunk');
  const sql = table.chunks.flatMap((chunk) => {
    const how = chunk.how as How;
    return how.kind === 'copy' ? [how.sql] : how.kind === 'copies' ? how.sql : [];
  });
  const how: How = { kind: 'copies', sql, name: `${table.schema}.${table.name}` };
  const estimatedBytes = table.chunks.reduce((sum, chunk) => sum + chunk.estimatedBytes, 0);
  return { ...first, path: table.path, compare: true, estimatedBytes, how };
}

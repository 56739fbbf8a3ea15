import {
  type ChunkHeader,
  type ChunkPlan,
  type ChunkReader,
  type SchemaStatement,
  type SourceIdentity,
  SystemClock,
} from '@holdfast/core';
import { readFacts } from '../full/identity.ts';
import { planTables } from '../full/plan.ts';
import { CopyReader } from '../full/reader.ts';
import { exportSnapshot } from '../full/snapshot.ts';
import { planSpecial } from '../full/special.ts';
import { readSchema } from '../schema/read-schema.ts';
import { openSession } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { openLoader } from './loader.ts';
import { openTarget } from './target.ts';

/** A whole small database in memory: what a restore gets from the engine. */
export interface Copy {
  readonly from: SourceIdentity;
  readonly schema: readonly SchemaStatement[];
  readonly chunks: readonly CopiedChunk[];
}

export interface CopiedChunk {
  readonly header: ChunkHeader;
  readonly lines: Uint8Array;
  readonly rows: number;
}

export const never = new AbortController().signal;

export async function copyDatabase(url: string): Promise<Copy> {
  await using session = await openSession(parseTarget(url), { signal: never });
  const { source } = await readFacts(session);
  await session.exec('BEGIN ISOLATION LEVEL REPEATABLE READ');
  const schema = await readSchema(session, {
    snapshot: await exportSnapshot(session),
    lockTimeoutMs: 10_000,
    signal: never,
  });
  const plans = [
    ...(await planTables(session)).flatMap((table) => table.chunks),
    ...(await planSpecial(session)),
  ];
  await using reader = new CopyReader(session);
  const chunks: CopiedChunk[] = [];
  for (const plan of plans) chunks.push(await readChunk(reader, plan));
  return { from: source, schema, chunks };
}

export async function readChunk(reader: ChunkReader, plan: ChunkPlan): Promise<CopiedChunk> {
  const parts: Buffer[] = [];
  const blocks = reader.read(plan, { signal: never });
  for (;;) {
    const next = await blocks.next();
    if (next.done) {
      const header = { chunk: plan.path, kind: plan.kind, columns: plan.columns };
      return { header, lines: Buffer.concat(parts), rows: next.value.rows };
    }
    parts.push(Buffer.from(next.value));
  }
}

/** A block cut in two, so that lines are cut too. */
export async function* inBlocks(lines: Uint8Array): AsyncGenerator<Uint8Array> {
  const middle = Math.floor(lines.length / 2);
  yield lines.subarray(0, middle);
  yield lines.subarray(middle);
}

export interface RestoreSteps {
  readonly id?: string;
  readonly noOwner?: boolean;
  readonly startTimeoutMs?: number;
  /** Told after each step; what it throws ends the restore. */
  readonly after?: (step: string) => void | Promise<void>;
  readonly loaders?: number;
}

/** What the engine does: all steps up to the name. @returns how many loads were found done already */
export async function restoreCopy(url: string, copy: Copy, o: RestoreSteps = {}): Promise<number> {
  const after = o.after ?? (() => {});
  await using target = await openTarget(parseTarget(url), {
    from: copy.from,
    id: o.id ?? 'r1',
    noOwner: o.noOwner ?? false,
    startTimeoutMs: o.startTimeoutMs ?? 0,
    type: 'logical',
    clock: new SystemClock(),
    signal: never,
  });
  await after('open');
  await target.create(copy.schema, { signal: never });
  await after('create');
  let resumed = 0;
  const queue = copy.chunks.filter(({ header }) => header.kind === 'rows');
  const work = async (): Promise<void> => {
    await using loader = await openLoader(target.token.data as Parameters<typeof openLoader>[0], {
      signal: never,
    });
    for (let chunk = queue.shift(); chunk; chunk = queue.shift()) {
      const { header, lines, rows } = chunk;
      const id = `0${header.chunk}`;
      const done = target.loaded.get(id);
      if (done !== undefined) resumed++;
      const loaded = done ?? (await loader.load(header, inBlocks(lines), { id, signal: never })).rows;
      if (loaded !== rows) throw new Error(`${header.chunk}: ${loaded} rows of ${rows}`);
      await after(`load ${header.chunk}`);
    }
  };
  await Promise.all(Array.from({ length: o.loaders ?? 1 }, work));
  for (const { header, lines } of copy.chunks.filter((each) => each.header.kind === 'special')) {
    await target.loadSpecial(header.chunk, inBlocks(lines), { signal: never });
  }
  await after('special');
  await target.finish({ signal: never, progress: () => {} });
  await after('finish');
  await target.publish({ signal: never });
  await after('publish');
  return resumed;
}

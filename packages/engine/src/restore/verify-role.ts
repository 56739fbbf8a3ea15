/** The role of a worker that reads back what a restore loaded, and digests it. */
import {
  type ChunkPlan,
  type ChunkReader,
  type DriverToken,
  HoldfastError,
  RowDigest,
  type SourceWorkerModule,
} from '@holdfast/core';
import type { Role, RoleOptions } from '../pool/role.ts';

export interface VerifyInit {
  readonly target: DriverToken;
}

export interface ReadBack {
  readonly rows: number;
  readonly digest: string;
}

class VerifyRole implements Role<ChunkPlan, ReadBack, undefined> {
  readonly #reader: ChunkReader;
  readonly #o: RoleOptions;
  readonly #rows = new RowDigest();

  constructor(reader: ChunkReader, o: RoleOptions) {
    this.#reader = reader;
    this.#o = o;
  }

  async run(plan: ChunkPlan): Promise<ReadBack> {
    this.#rows.reset();
    const blocks = this.#reader.read(plan, { signal: this.#o.signal });
    for (;;) {
      const next = await blocks.next();
      if (next.done) {
        if (next.value.rows !== this.#rows.rows)
          throw new HoldfastError(
            'source_failed',
            `${plan.path}: the target says it sent ${next.value.rows} rows, ${this.#rows.rows} arrived`,
          );
        return { rows: this.#rows.rows, digest: this.#rows.digest };
      }
      for (let rest = next.value; rest.length > 0; ) {
        rest = rest.subarray(this.#rows.append(rest));
        this.#rows.clear();
      }
      this.#o.progress(next.value.length, 0);
    }
  }

  async end(): Promise<undefined> {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

export async function openRole(init: VerifyInit, o: RoleOptions): Promise<VerifyRole> {
  const module = (await import(init.target.module)) as SourceWorkerModule;
  return new VerifyRole(await module.openReader(init.target.data, { signal: o.signal }), o);
}

import type { ChunkPlan, ChunkReader } from '@holdfast/core';

export interface ReadChunk {
  readonly lines: string;
  /** As the database says. */
  readonly rows: number;
}

export async function readChunk(
  reader: Pick<ChunkReader, 'read'>,
  chunk: ChunkPlan,
  signal: AbortSignal,
): Promise<ReadChunk> {
  const parts: Buffer[] = [];
  const blocks = reader.read(chunk, { signal });
  for (;;) {
    const next = await blocks.next();
    if (next.done) return { lines: Buffer.concat(parts).toString(), rows: next.value.rows };
    parts.push(Buffer.from(next.value));
  }
}

/** Rows as values. */
export function valuesOf(lines: string): unknown[][] {
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown[]);
}

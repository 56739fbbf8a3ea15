/** What worker threads import to read from, and load into, a database in memory: everything they need is in the token. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ChunkHeader,
  type ChunkLoader,
  type ChunkPlan,
  type ChunkReader,
  type ErrorCode,
  HoldfastError,
  type ReadResult,
  type Sig,
} from '@holdfast/core';

/**
 * What goes wrong, scripted: the call fails with a code, never ends, ends early without saying so (`short`), says a
 * row count that is not the true one (`lie`), or ends in the middle of a row (`mid-row`).
 */
export type MemoryFault = ErrorCode | 'hang' | 'short' | 'lie' | 'mid-row';

export interface ReaderToken {
  /** Lines of each chunk by path; of an image, its bytes as latin1. */
  readonly chunks: Readonly<Record<string, string>>;
  readonly blockBytes: number;
  readonly faults: Readonly<Record<string, MemoryFault>>;
}

export interface LoaderToken {
  /** Takes one file per load. */
  readonly folder: string;
  readonly blockBytes: number;
  readonly faults: Readonly<Record<string, MemoryFault>>;
}

/** A load as it lies in the folder. */
export interface StoredLoad {
  readonly id: string;
  readonly path: string;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly lines: string;
}

export function abortError(signal: AbortSignal): HoldfastError {
  const reason: unknown = signal.reason;
  return reason instanceof HoldfastError ? reason : new HoldfastError('cancelled', 'stopped on request');
}

/** Does what the fault says of a call as a whole. */
export async function misbehave(fault: MemoryFault | undefined, what: string, o: Sig): Promise<void> {
  if (o.signal.aborted) throw abortError(o.signal);
  if (fault === undefined || fault === 'short' || fault === 'lie' || fault === 'mid-row') return;
  if (fault !== 'hang') throw new HoldfastError(fault, `${what}: scripted to fail`);
  await new Promise((_, reject) => {
    o.signal.addEventListener('abort', () => reject(abortError(o.signal)), { once: true });
  });
}

/** Cuts bytes into blocks in a buffer that is used again, as quick readers do: what was yielded before is void. */
export async function* inBlocks(
  bytes: Uint8Array,
  blockBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(Math.min(blockBytes, bytes.length));
  for (let at = 0; at < bytes.length; at += blockBytes) {
    if (signal.aborted) throw abortError(signal);
    const block = bytes.subarray(at, at + blockBytes);
    buffer.set(block);
    yield buffer.subarray(0, block.length);
    buffer.fill(0);
  }
}

export class MemoryReader implements ChunkReader {
  readonly #token: ReaderToken;

  constructor(token: ReaderToken) {
    this.#token = token;
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    const lines = this.#token.chunks[chunk.path];
    if (lines === undefined) throw new HoldfastError('internal', `the view has no chunk ${chunk.path}`);
    const fault = this.#token.faults[chunk.path];
    const bytes = Buffer.from(lines, chunk.kind === 'image' ? 'latin1' : 'utf8');
    const rows = chunk.kind === 'image' ? 0 : lines.split('\n').length - 1;
    let sent: Uint8Array = bytes;
    if (fault === 'mid-row') sent = bytes.subarray(0, bytes.length - 2);
    else if (fault === 'short') sent = bytes.subarray(0, bytes.lastIndexOf(10, bytes.length - 2) + 1);
    else if (fault !== undefined && fault !== 'lie') sent = bytes.subarray(0, bytes.length >> 1);
    yield* inBlocks(sent, this.#token.blockBytes, o.signal);
    await misbehave(fault, `reading ${chunk.path}`, o);
    return { rows: fault === 'lie' ? rows + 1 : rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class MemoryLoader implements ChunkLoader {
  readonly #token: LoaderToken;

  constructor(token: LoaderToken) {
    this.#token = token;
  }

  async load(
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    o: Sig & { readonly id: string },
  ): Promise<{ readonly rows: number }> {
    const fault = this.#token.faults[header.chunk];
    await misbehave(fault, `loading ${header.chunk}`, o);
    const parts: Buffer[] = [];
    for await (const block of blocks) parts.push(Buffer.from(block));
    if (o.signal.aborted) throw abortError(o.signal);
    const lines = Buffer.concat(parts).toString('utf8');
    if (lines !== '' && !lines.endsWith('\n'))
      throw new HoldfastError('source_failed', `${header.chunk} ends in the middle of a row`);
    const rows = lines.split('\n').length - 1;
    const columns = header.columns.map(({ name }) => name);
    writeLoad(this.#token.folder, { id: o.id, path: header.chunk, columns, rows, lines });
    return { rows: fault === 'lie' ? rows + 1 : rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Whole or not at all, as a transaction is. */
function writeLoad(folder: string, load: StoredLoad): void {
  const name = createHash('sha256').update(load.id).digest('hex');
  const file = join(folder, `${name}.json`);
  if (existsSync(file)) throw new HoldfastError('internal', `load ${load.id} was done before`);
  writeFileSync(`${file}.part`, JSON.stringify(load));
  renameSync(`${file}.part`, file);
}

export function readLoads(folder: string): StoredLoad[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return files.sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as StoredLoad);
}

export async function openReader(data: unknown, o: Sig): Promise<ChunkReader> {
  if (o.signal.aborted) throw abortError(o.signal);
  const token = data as ReaderToken | LoaderToken;
  if ('chunks' in token) return new MemoryReader(token);
  return new MemoryReader({ ...token, chunks: linesByPath(token.folder) });
}

/** What was loaded, by relation. */
export function linesByPath(folder: string): Record<string, string> {
  const chunks: Record<string, string> = {};
  for (const { path, lines } of readLoads(folder)) {
    const at = path.lastIndexOf('/@');
    const relation = at > 0 ? path.slice(0, at) : path;
    chunks[relation] = (chunks[relation] ?? '') + lines;
  }
  return chunks;
}

export async function openLoader(data: unknown, o: Sig): Promise<ChunkLoader> {
  if (o.signal.aborted) throw abortError(o.signal);
  return new MemoryLoader(data as LoaderToken);
}

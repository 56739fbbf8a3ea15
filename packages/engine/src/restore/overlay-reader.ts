import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';
import { hashBegin, hashOf, hashStep, KeyFilter } from './key-filter.ts';
import type { OverlayToken } from './overlay.ts';
import { keep, keyText, rowText, splitArray } from './tokens.ts';

/**
 * Up to so many touched keys, their hashes (32 MB) are held in memory while base rows stream past, and only what has
 * one of them is looked up in the file; beyond, every row is.
 */
const keysInMemoryMax = 4_000_000;

const newline = 10;
const comma = 44;
const backslash = 92;
const utf8 = new TextEncoder();

/** One relation's part of an overlay, as a loader uses it. */
export class OverlayReader implements Disposable {
  readonly #database: DatabaseSync;
  readonly #token: OverlayToken;
  readonly #statement: StatementSync;
  readonly #filter: KeyFilter | undefined;
  /** Base rows met from which a live row took values. */
  merged = 0;

  constructor(file: string, token: OverlayToken, memoryMax = keysInMemoryMax) {
    this.#database = new DatabaseSync(file, { readOnly: true });
    this.#token = token;
    this.#statement = this.#database.prepare(`SELECT row FROM touched${token.number} WHERE key = ?`);
    this.#filter = token.touched <= memoryMax ? this.#readKeys() : undefined;
  }

  #readKeys(): KeyFilter {
    const filter = new KeyFilter(this.#token.touched);
    for (const { key } of this.#database.prepare(`SELECT key FROM touched${this.#token.number}`).iterate())
      filter.add(hashOf(key as string));
    return filter;
  }

  /** Rows that are there in the end and need nothing of a base row. */
  async *live(): AsyncGenerator<Uint8Array, void, void> {
    const blockBytes = 256 * 1024;
    let block = '';
    for (const { row } of this.#database.prepare(`SELECT row FROM live${this.#token.number}`).iterate()) {
      block += `${row}\n`;
      if (block.length < blockBytes) continue;
      yield utf8.encode(block);
      block = '';
    }
    if (block !== '') yield utf8.encode(block);
  }

  /** Base rows with the overlay laid over them: untouched ones pass, merged ones are changed, gone ones are left out. */
  async *over(
    blocks: AsyncIterable<Uint8Array>,
    columns: readonly string[],
  ): AsyncGenerator<Uint8Array, void, void> {
    if (this.#token.columns.join('\0') !== columns.join('\0'))
      throw new HoldfastError(
        'corrupt',
        `changes come with columns ${this.#token.columns.join(', ')}, their base rows with ${columns.join(', ')}`,
      );
    const keyAt = this.#token.key.map((name) => columns.indexOf(name));
    const keyEnd = Math.max(...keyAt) + 1;
    let rest: Uint8Array | undefined;
    for await (const block of blocks) {
      const bytes = rest
        ? Buffer.concat([rest, block])
        : Buffer.from(block.buffer, block.byteOffset, block.length);
      const end = bytes.lastIndexOf(newline) + 1;
      rest = end < bytes.length ? Buffer.from(bytes.subarray(end)) : undefined;
      if (end > 0) yield* this.#overLines(bytes.subarray(0, end), keyAt, keyEnd);
    }
    if (rest) throw new HoldfastError('corrupt', 'a chunk ends in the middle of a row');
  }

  /** Runs of untouched rows are passed on as they lie in the block. */
  *#overLines(lines: Buffer, keyAt: readonly number[], keyEnd: number): Generator<Uint8Array, void, void> {
    const spans = new Spans(keyEnd);
    let passFrom = 0;
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(newline, start) + 1;
      spans.read(lines, start, end - 1);
      const found = this.#lookup(lines, spans, keyAt);
      if (found !== undefined) {
        if (passFrom < start) yield lines.subarray(passFrom, start);
        if (found !== null) yield this.#merge(found, lines.toString('utf8', start, end - 1));
        passFrom = end;
      }
      start = end;
    }
    if (passFrom < lines.length) yield lines.subarray(passFrom);
  }

  /** What stands in place of a base row; null: nothing does; undefined: it stays. */
  #lookup(lines: Buffer, spans: Spans, keyAt: readonly number[]): string | null | undefined {
    let hash = hashBegin;
    // A text has one form in a key, and with escapes may have another in a row: then it is the key's that is hashed.
    let escaped = false;
    for (const column of keyAt) {
      for (let at = spans.begin(column); at < spans.end(column); at++) {
        const byte = lines[at] as number;
        if (byte === backslash) escaped = true;
        hash = hashStep(hash, byte);
      }
      hash = hashStep(hash, comma);
    }
    if (!escaped && this.#filter?.mayHold(hash) === false) return undefined;
    const key = keyText(keyAt.map((at) => lines.toString('utf8', spans.begin(at), spans.end(at))));
    if (escaped && this.#filter?.mayHold(hashOf(key)) === false) return undefined;
    return (this.#statement.get(key) as { row: string | null } | undefined)?.row;
  }

  #merge(row: string, baseRow: string): Uint8Array {
    this.merged++;
    const base = splitArray(baseRow).elements;
    const values = splitArray(row).elements.map((value, at) => (value === keep ? (base[at] ?? keep) : value));
    if (values.includes(keep))
      throw new HoldfastError('corrupt', 'an update kept a value that its base row does not have');
    return utf8.encode(`${rowText(values)}\n`);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Where the first values of a row stand. Used again for each row: only as much is looked at as the key needs. */
class Spans {
  readonly #at: Int32Array;

  constructor(columns: number) {
    this.#at = new Int32Array(columns * 2);
  }

  /** Of the row between `start` and `end`. */
  read(lines: Buffer, start: number, end: number): void {
    let position = start + 1;
    for (let index = 0; index < this.#at.length; index += 2) {
      this.#at[index] = position;
      position = valueEnd(lines, position, end);
      this.#at[index + 1] = position;
      position++;
    }
  }

  begin(column: number): number {
    return this.#at[2 * column] as number;
  }

  end(column: number): number {
    return this.#at[2 * column + 1] as number;
  }
}

function valueEnd(lines: Buffer, from: number, end: number): number {
  let inString = false;
  let depth = 0;
  for (let position = from; position < end; position++) {
    const byte = lines[position];
    if (inString) {
      if (byte === 92) position++;
      else if (byte === 34) inString = false;
    } else if (byte === 34) inString = true;
    else if (byte === 123 || byte === 91) depth++;
    else if (byte === 125 || byte === 93) {
      if (depth === 0) return position;
      depth--;
    } else if (byte === 44 && depth === 0) return position;
  }
  return end;
}

import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';
import type { OverlayToken } from './overlay.ts';
import { keep, keyText, rowText, splitArray } from './tokens.ts';

/** Up to so many touched keys are held in memory while base rows stream past; beyond, each is looked up in the file. */
const keysInMemoryMax = 300_000;

const newline = 10;
const utf8 = new TextEncoder();

/** One relation's part of an overlay, as a loader uses it. */
export class OverlayReader implements Disposable {
  readonly #database: DatabaseSync;
  readonly #token: OverlayToken;
  readonly #lookup: (key: string) => string | null | undefined;
  /** Base rows met from which a live row took values. */
  merged = 0;

  constructor(file: string, token: OverlayToken, memoryMax = keysInMemoryMax) {
    this.#database = new DatabaseSync(file, { readOnly: true });
    this.#token = token;
    this.#lookup = token.touched <= memoryMax ? this.#inMemory() : this.#inFile();
  }

  #inMemory(): (key: string) => string | null | undefined {
    const touched = new Map<string, string | null>();
    for (const row of this.#database.prepare(`SELECT key, row FROM touched${this.#token.number}`).iterate()) {
      touched.set(row.key as string, row.row as string | null);
    }
    return (key) => touched.get(key);
  }

  #inFile(): (key: string) => string | null | undefined {
    const statement = this.#database.prepare(`SELECT row FROM touched${this.#token.number} WHERE key = ?`);
    return (key) => (statement.get(key) as { row: string | null } | undefined)?.row;
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
    let passFrom = 0;
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(newline, start) + 1;
      const found = this.#lookup(keyOf(lines, start, end - 1, keyAt, keyEnd));
      if (found !== undefined) {
        if (passFrom < start) yield lines.subarray(passFrom, start);
        if (found !== null) yield this.#merge(found, lines.toString('utf8', start, end - 1));
        passFrom = end;
      }
      start = end;
    }
    if (passFrom < lines.length) yield lines.subarray(passFrom);
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

/** The key of the row that stands between `start` and `end`: only as much of the line is looked at as the key needs. */
function keyOf(lines: Buffer, start: number, end: number, keyAt: readonly number[], keyEnd: number): string {
  const spans: [from: number, to: number][] = [];
  let position = start + 1;
  for (let column = 0; column < keyEnd; column++) {
    const from = position;
    position = valueEnd(lines, position, end);
    spans.push([from, position]);
    position++;
  }
  const values = keyAt.map((at) => {
    const [from, to] = spans[at] ?? [start, start];
    return lines.toString('utf8', from, to);
  });
  return keyText(values);
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

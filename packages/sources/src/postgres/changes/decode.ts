import { HoldfastError } from '@holdfast/core';
import { CommitClock } from './commit-time.ts';
import { LineWriter } from './line-writer.ts';
import { Relation, type RelationShape } from './relation.ts';
import { jsonText, Spans, skipIdentifier, startsWith } from './tuple.ts';

/** `skip`: its changes are only counted. */
export type Resolved = RelationShape | 'skip';

/** By the name as test_decoding prints it (`public."we ird"`). Undefined: not known yet, ask for it and go on. */
export type Resolve = (printed: string) => Resolved | undefined;

/** A block that was not decoded to its end, because a relation has to be asked for first. */
export interface Halt {
  readonly rest: Uint8Array;
  readonly unknown: string;
}

/** What became of one relation's changes. */
export interface Sighting {
  readonly printed: string;
  /** Undefined if its changes were only counted. */
  readonly path: string | undefined;
  readonly changes: number;
  readonly broken: boolean;
  /** The transaction of the last TRUNCATE; 0: there was none. */
  readonly truncatedBy: number;
}

const newline = 0x0a;
const quote = 0x22;
const space = 0x20;
/** `T` of `TRUNCATE:` */
const truncate = 0x54;
const begin = Buffer.from('["begin"]\n');
/** A `begin` or a `commit` line beside the line that brings it. */
const lineSlack = 256;

/**
 * From lines `["0/16B3748","table public.t: INSERT: id[integer]:1 …"]` (what test_decoding prints, as the COPY
 * scanner writes it) to the lines of a `changes` chunk. Blocks may be cut anywhere. A transaction of which nothing
 * is wanted leaves no line.
 */
export class ChangeDecoder {
  readonly #resolve: Resolve;
  readonly #out = new LineWriter();
  readonly #relations = new Map<string, Relation>();
  /** The relation of the line before, and `table public.t: ` as it stood there: most lines name the same one again. */
  #last: { readonly mark: Buffer; readonly relation: Relation } | undefined;
  readonly #scratch = { full: new Spans(), old: new Spans(), end: 0 };
  readonly #clock = new CommitClock();
  #declared = 0;
  #lines = 0;
  #transactions = 0;
  #transactionId = 0;
  #inside = false;
  #begun = false;
  #carry: Buffer[] = [];

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** Decodes what a block holds. On a halt: find the relation, and call again with the rest. */
  decode(block: Uint8Array): Halt | undefined {
    let bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    if (this.#carry.length > 0) {
      // A line may be far longer than a block: nothing is joined before its end has come.
      if (!bytes.includes(newline)) {
        this.#carry.push(Buffer.from(bytes));
        return undefined;
      }
      bytes = Buffer.concat([...this.#carry, bytes]);
      this.#carry = [];
    }
    // Whole lines only: what reads them relies on the newline.
    const end = bytes.lastIndexOf(newline) + 1;
    let at = 0;
    while (at < end) {
      const next = this.#line(bytes, at, end);
      if (typeof next === 'string') return { rest: bytes.subarray(at), unknown: next };
      at = next;
    }
    if (end < bytes.length) this.#carry.push(Buffer.from(bytes.subarray(end)));
    return undefined;
  }

  /** Lines decoded and not yet released: a view. */
  written(): Uint8Array {
    return this.#out.written();
  }

  release(): void {
    this.#out.clear();
  }

  get lines(): number {
    return this.#lines;
  }

  get transactions(): number {
    return this.#transactions;
  }

  /** When the last transaction was committed, also if nothing of it was wanted; NaN before the first. */
  get lastCommitMs(): number {
    return this.#clock.timeMs;
  }

  /** Every relation that had changes. */
  seen(): Sighting[] {
    return [...this.#relations.values()]
      .filter((each) => each.changes > 0)
      .map(({ printed, shape, changes, broken, truncatedBy }) => ({
        printed,
        path: shape?.path,
        changes,
        broken,
        truncatedBy,
      }));
  }

  /** To be called when all has been given. @throws HoldfastError source_failed inside a line or a transaction */
  finish(): void {
    if (!this.#inside && this.#carry.length === 0) return;
    throw new HoldfastError('source_failed', 'the server ended its list of changes inside a transaction');
  }

  /** One line; returns where the next begins, or the name of a relation that has to be found first. */
  #line(line: Buffer, start: number, blockEnd: number): number | string {
    // A position has neither quote nor backslash, so the next quote ends it; behind it stands `,"`.
    let positionEnd = start + 2;
    while (line[positionEnd] !== quote && line[positionEnd] !== newline) positionEnd++;
    const from = positionEnd + 3;
    this.#scratch.end = from;
    // What a line becomes is no longer than the line. Where it ends is not known yet, but where the block does.
    this.#out.reserve(blockEnd - start + lineSlack);
    switch (line[from]) {
      case 0x74: {
        // table …
        const unknown = this.#change(line, from);
        if (unknown !== undefined) return unknown;
        break;
      }
      case 0x42: // BEGIN 4711
        this.#inside = true;
        this.#transactionId = readNumber(line, from + 'BEGIN '.length);
        break;
      case 0x43: // COMMIT 4711 (at …)
        this.#commit(line, start, from);
        break;
      case 0x6d: // message: what somebody put into the log with pg_logical_emit_message
        break;
      default:
        throw unexpected(line, from);
    }
    // Whoever has read the line knows where it ends; what was only counted has yet to be looked through.
    const { end } = this.#scratch;
    return line[end] === quote && line[end + 2] === newline ? end + 3 : line.indexOf(newline, from) + 1;
  }

  #commit(line: Buffer, start: number, from: number): void {
    this.#inside = false;
    let at = from + 'COMMIT '.length;
    while (isDigit(line[at])) at++;
    if (line[at] === space) at++;
    if (!this.#clock.read(line, at)) throw unexpected(line, from);
    if (!this.#begun) return;
    this.#begun = false;
    this.#transactions++;
    this.#lines++;
    const out = this.#out;
    out.ascii('["commit",');
    // The position with its quotes, and the comma behind it.
    out.slice(line, start + 1, from - 1);
    this.#clock.write(out);
    out.ascii(']\n');
  }

  #change(line: Buffer, from: number): string | undefined {
    const last = this.#last;
    if (last !== undefined && startsWith(line, from, last.mark)) {
      this.#apply(last.relation, line, from + last.mark.length);
      return undefined;
    }
    // A TRUNCATE may name several relations: `table public.a, public.b: TRUNCATE: …`.
    const relations: Relation[] = [];
    let at = from + 'table '.length;
    for (;;) {
      const nameEnd = skipIdentifier(line, skipIdentifier(line, at) + 1);
      const relation = this.#relation(line, at, nameEnd);
      if (typeof relation === 'string') return relation;
      relations.push(relation);
      at = nameEnd + 2;
      if (line[nameEnd] === 0x3a) break;
      if (line[nameEnd] !== 0x2c) throw unexpected(line, from);
    }
    for (const each of relations) this.#apply(each, line, at);
    const [only] = relations;
    if (only && relations.length === 1)
      this.#last = { mark: Buffer.from(line.subarray(from, at)), relation: only };
    return undefined;
  }

  #relation(line: Buffer, from: number, to: number): Relation | string {
    const key = line.toString('latin1', from, to);
    const known = this.#relations.get(key);
    if (known) return known;
    const printed = jsonText(line, from, to);
    const resolved = this.#resolve(printed);
    if (resolved === undefined) return printed;
    const relation = new Relation(printed, resolved === 'skip' ? undefined : resolved);
    this.#relations.set(key, relation);
    return relation;
  }

  /** `at` is where the operation begins: `INSERT: …`. */
  #apply(relation: Relation, line: Buffer, at: number): void {
    relation.changes++;
    if (line[at] === truncate) relation.truncatedBy = this.#transactionId;
    const { shape } = relation;
    if (shape === undefined || relation.broken) return;
    if (!this.#begun) {
      this.#begun = true;
      this.#lines++;
      this.#out.bytes(begin);
    }
    if (!relation.declared) {
      relation.declare(this.#declared++, shape, this.#out);
      this.#lines++;
    }
    if (relation.write(line, at, this.#scratch, this.#out)) this.#lines++;
    else relation.broken = true;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function readNumber(line: Buffer, from: number): number {
  let value = 0;
  for (let at = from; isDigit(line[at]); at++) value = value * 10 + ((line[at] as number) - 0x30);
  return value;
}

function unexpected(line: Buffer, from: number): HoldfastError {
  const words = line.toString('utf8', from, Math.min(from + 80, line.indexOf(newline, from)));
  return new HoldfastError('source_failed', `the server listed a change that cannot be read: ${words}`, {
    hint: 'test_decoding of this server version prints another form: report it',
  });
}

import type { LineWriter } from './line-writer.ts';
import { type Layout, learnLayout, readTuple, type Spans, startsWith, valueKind } from './tuple.ts';

/** What the catalog says of a relation whose changes are wanted. */
export interface RelationShape {
  readonly path: string;
  /** In the order of the table, without generated ones. */
  readonly columns: readonly string[];
  readonly generated: readonly string[];
  /** The columns that address a row; never empty. */
  readonly key: readonly string[];
}

/** How the lines of a relation begin. */
interface Heads {
  readonly insert: Uint8Array;
  readonly update: Uint8Array;
  readonly delete: Uint8Array;
  readonly truncate: Uint8Array;
}

/** Reused from tuple to tuple. */
export interface Scratch {
  readonly full: Spans;
  readonly old: Spans;
  /** Up to where the line has been read. */
  end: number;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const nullWord = ascii('null');
const oldKeyMark = ascii(' old-key:');
const newTupleMark = ascii(' new-tuple:');
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const newline = 0x0a;
const lineEnd = 0x22;
const none = new Int32Array(0);

/** Writes the changes of one relation, whose shape it declares first. Learns how its tuples are printed. */
export class Relation {
  readonly printed: string;
  readonly shape: RelationShape | undefined;
  changes = 0;
  truncatedBy = 0;
  /** A change did not look as the catalog says, or cannot be addressed: what the stream holds of it is void. */
  broken = false;
  #heads: Heads | undefined;
  #full: Layout = [];
  /** Output order -> index in the full layout. */
  #order: Int32Array = none;
  #old: Layout = [];
  /** Key column -> index in the old layout, and in the full one. */
  #keyInOld: Int32Array = none;
  #keyInFull: Int32Array = none;

  /** Without a shape its changes are only counted. */
  constructor(printed: string, shape: RelationShape | undefined) {
    this.printed = printed;
    this.shape = shape;
  }

  /** The number under which it was declared in the stream. */
  get declared(): boolean {
    return this.#heads !== undefined;
  }

  declare(number: number, shape: RelationShape, out: LineWriter): void {
    this.#heads = {
      insert: ascii(`["insert",${number},`),
      update: ascii(`["update",${number},`),
      delete: ascii(`["delete",${number},`),
      truncate: ascii(`["truncate",${number}]\n`),
    };
    const line = ascii(`${JSON.stringify(['relation', number, shape.path, shape.columns, shape.key])}\n`);
    out.insert(line);
  }

  /** One operation, `INSERT: …`, at `at` in its line, as a line. False, and nothing written: it cannot be. */
  write(line: Buffer, at: number, scratch: Scratch, out: LineWriter): boolean {
    const before = out.length;
    const done = this.#operation(line, at, scratch, out);
    if (!done) out.truncate(before);
    return done;
  }

  #operation(line: Buffer, at: number, scratch: Scratch, out: LineWriter): boolean {
    const heads = this.#heads;
    if (heads === undefined) return false;
    switch (line[at]) {
      case 0x49: // INSERT:
        if (!this.#readFull(line, at + 7, scratch)) return false;
        out.bytes(heads.insert);
        return this.#writeRow(line, scratch.full, undefined, out);
      case 0x55: // UPDATE:
        return this.#update(line, at + 7, scratch, out);
      case 0x44: {
        // DELETE:
        const end = this.#readOld(line, at + 7, scratch.old);
        if (end < 0 || line[end] !== lineEnd) return false;
        scratch.end = end;
        out.bytes(heads.delete);
        this.#writeKey(line, scratch.old, out);
        out.byte(closeBracket);
        out.byte(newline);
        return true;
      }
      case 0x54: // TRUNCATE:
        // One line of the server may name many relations, and become many lines here.
        out.insert(heads.truncate);
        return true;
      default:
        return false;
    }
  }

  #update(line: Buffer, from: number, scratch: Scratch, out: LineWriter): boolean {
    const { full, old } = scratch;
    let at = from;
    const withOld = startsWith(line, at, oldKeyMark);
    if (withOld) {
      at = this.#readOld(line, at + oldKeyMark.length, old);
      if (at < 0 || !startsWith(line, at, newTupleMark)) return false;
      at += newTupleMark.length;
    }
    if (!this.#readFull(line, at, scratch)) return false;
    out.bytes((this.#heads as Heads).update);
    if (withOld && this.#keyChanged(line, full, old)) this.#writeKey(line, old, out);
    else out.bytes(nullWord);
    out.byte(comma);
    return this.#writeRow(line, full, withOld ? old : undefined, out);
  }

  #readFull(line: Buffer, from: number, scratch: Scratch): boolean {
    const { full } = scratch;
    let end = this.#order.length > 0 ? readTuple(line, from, this.#full, full) : -1;
    if (end < 0) {
      const layout = learnLayout(line, from);
      const order = layout && this.#orderOf(layout);
      if (!layout || !order) return false;
      this.#full = layout;
      this.#order = order;
      this.#keyInFull = indexes(layout, this.shape?.key ?? []) ?? none;
      end = readTuple(line, from, layout, full);
    }
    if (end < 0 || line[end] !== lineEnd) return false;
    scratch.end = end;
    return true;
  }

  /** Where the wanted columns stand in a layout; undefined if one is missing, or one that nobody knows is there. */
  #orderOf(layout: Layout): Int32Array | undefined {
    const { columns = [], generated = [] } = this.shape ?? {};
    const known = new Set([...columns, ...generated]);
    if (layout.some((each) => !known.has(each.name))) return undefined;
    return indexes(layout, columns);
  }

  /** Where the old tuple ends, -1 if it is none that addresses a row. Nulls are left out of it, so it varies. */
  #readOld(line: Buffer, from: number, old: Spans): number {
    if (this.#keyInOld.length > 0) {
      const end = readTuple(line, from, this.#old, old);
      if (end >= 0) return end;
    }
    const layout = learnLayout(line, from);
    const key = layout && indexes(layout, this.shape?.key ?? []);
    if (!layout || !key) return -1;
    this.#old = layout;
    this.#keyInOld = key;
    return readTuple(line, from, layout, old);
  }

  #keyChanged(line: Buffer, full: Spans, old: Spans): boolean {
    for (let i = 0; i < this.#keyInFull.length; i++) {
      const is = this.#keyInFull[i] as number;
      const was = this.#keyInOld[i] as number;
      if (full.kinds[is] === valueKind.unchanged) continue;
      if (full.kinds[is] !== old.kinds[was]) return true;
      const at = full.starts[is] as number;
      const oldAt = old.starts[was] as number;
      const length = (full.ends[is] as number) - at;
      if ((old.ends[was] as number) - oldAt !== length) return true;
      for (let k = 0; k < length; k++) if (line[at + k] !== line[oldAt + k]) return true;
    }
    return false;
  }

  #writeKey(line: Buffer, old: Spans, out: LineWriter): void {
    out.byte(openBracket);
    for (let i = 0; i < this.#keyInOld.length; i++) {
      if (i > 0) out.byte(comma);
      out.value(line, old, this.#keyInOld[i] as number);
    }
    out.byte(closeBracket);
  }

  /** The row in the order of the shape, and the line's end. */
  #writeRow(line: Buffer, full: Spans, old: Spans | undefined, out: LineWriter): boolean {
    const order = this.#order;
    out.byte(openBracket);
    for (let i = 0; i < order.length; i++) {
      if (i > 0) out.byte(comma);
      const index = order[i] as number;
      const key = full.kinds[index] === valueKind.unchanged ? this.#keyInFull.indexOf(index) : -1;
      if (key < 0) {
        out.value(line, full, index);
      } else {
        // A key too long to stand in the row: the log has it once, as the old one. Servers before 14.2 left it out.
        if (old === undefined) return false;
        out.value(line, old, this.#keyInOld[key] as number);
      }
    }
    out.byte(closeBracket);
    out.byte(closeBracket);
    out.byte(newline);
    return true;
  }
}

function indexes(layout: Layout, names: readonly string[]): Int32Array | undefined {
  const found = names.map((name) => layout.findIndex((each) => each.name === name));
  return found.includes(-1) ? undefined : Int32Array.from(found);
}

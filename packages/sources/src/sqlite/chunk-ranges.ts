import { allRowids, type RowidRange, type TableMeasure } from './page-rows.ts';

/**
 * Into which ranges of rowids a table is cut. Decided once per chain and kept in its state: a range's borders must
 * not move, or every chunk behind them would differ from the one before. `null` is a table in one chunk.
 *
 * A cut is the first rowid of a range; the first range begins at the smallest rowid there can be, the last one has
 * no end, so that new rows always have their place.
 */
export type Cuts = readonly string[];

/** Larger chunks hold more of what did not change, smaller ones cost a frame and an entry each. */
export const rangeTargetBytes = 8 * 1024 * 1024;

/** `/main.t/@0-65535`: `min` and `max` stand for the ends that are open. */
export function rangePath(tablePath: string, cuts: Cuts, index: number): string {
  if (cuts.length === 0) return tablePath;
  const low = index === 0 ? 'min' : cuts[index - 1];
  const next = cuts[index];
  const high = next === undefined ? 'max' : String(BigInt(next) - 1n);
  return `${tablePath}/@${low}-${high}`;
}

export function rangeOf(cuts: Cuts, index: number): RowidRange {
  const before = cuts[index - 1];
  const next = cuts[index];
  return {
    low: index === 0 || before === undefined ? allRowids.low : BigInt(before),
    high: next === undefined ? allRowids.high : BigInt(next) - 1n,
  };
}

/** Cuts for a table, from the rowids with which its leaves end: one after each `rangeTargetBytes` of rows or so. */
export function cutsAfter(measure: TableMeasure): string[] {
  const cuts: string[] = [];
  let bytes = 0;
  for (const end of measure.ends.slice(0, -1)) {
    bytes += measure.leafBytes;
    if (bytes < rangeTargetBytes || end === allRowids.high) continue;
    bytes = 0;
    cuts.push(String(end + 1n));
  }
  return cuts;
}

/**
 * The cuts of before, and more of them in what was the last range when that has grown to more than twice the target:
 * rows are appended far more often than they are put between others.
 */
export function extendCuts(before: Cuts, now: Cuts): Cuts {
  const last = before.at(-1);
  const beyond = last === undefined ? now : now.filter((cut) => BigInt(cut) > BigInt(last));
  return beyond.length < 2 ? before : [...before, ...beyond.slice(0, -1)];
}

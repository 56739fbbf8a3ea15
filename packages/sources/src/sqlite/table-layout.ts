/**
 * How the rows of a table lie in its b-tree, and how they are to be printed. Plain data, part of a chunk's plan.
 */
export interface TableLayout {
  readonly rootPage: number;
  /** A WITHOUT ROWID table is an index that holds whole rows. */
  readonly withoutRowid: boolean;
  /** Columns that a record can have. */
  readonly storedCount: number;
  readonly outputs: readonly OutputColumn[];
}

export interface OutputColumn {
  /** Which column of the record; -1 is the rowid. */
  readonly stored: number;
  /** REAL affinity: whole numbers are kept as integers to save room. */
  readonly real: boolean;
  /** INTEGER PRIMARY KEY: the record says NULL, and the value is the rowid. */
  readonly rowidAlias: boolean;
  /** The text of the value that records written before the column was added do not have. */
  readonly missing: string;
}

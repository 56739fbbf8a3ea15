import type { Source } from '@holdfast/core';
import { describe } from 'vitest';
import { describeChanges } from './source-changes.ts';
import { describeHandles } from './source-handles.ts';
import { describeTargets } from './source-targets.ts';
import { describeViews } from './source-views.ts';

/**
 * What a driver brings to be put under the contract. Statements are of the SQL that all databases share: `CREATE
 * TABLE t (id integer PRIMARY KEY, name text)`, `ALTER TABLE t ADD COLUMN more text`, `DROP TABLE t`, `INSERT INTO t
 * VALUES (1, 'a')`, `UPDATE t SET name = 'b' WHERE id = 1`, `DELETE FROM t WHERE id = 1`, `DELETE FROM t`. Names of
 * tables are lower-case words, values are integers, texts in single quotes, and NULL.
 */
export interface SourceHarness extends AsyncDisposable {
  /** A handle of a database of its own, without tables, in which incrementals are possible. */
  readonly source: Source;
  /** Another handle of the same database. */
  open(): Promise<Source>;
  /** Runs statements in one transaction; rejects, with nothing changed, when one of them fails. */
  execute(...statements: readonly string[]): Promise<void>;
  /** Each row as the JSON array of its values as texts or nulls, in any order. */
  rows(table: string): Promise<readonly string[]>;
  /** Of the chunks of a table. */
  path(table: string): string;
  /** What Holdfast has made in the database or its server and is still there, one line each. */
  traces(): Promise<readonly string[]>;
  /** A place to restore into, where nothing is yet. */
  place(): Promise<SourcePlace>;
}

export interface SourcePlace extends AsyncDisposable {
  readonly source: Source;
  /** Puts a table with a row there by other means. */
  occupy(): Promise<void>;
  /** As of the harness; undefined: there is no such table. */
  rows(table: string): Promise<readonly string[] | undefined>;
  /** All that is there: databases, files, schemas, one line each; empty when nothing is. */
  traces(): Promise<readonly string[]>;
}

export type OpenSource = () => Promise<SourceHarness>;

/**
 * The contract of `Source`: one test per clause of its comment, and of those of its views and targets.
 *
 *   describeSource('postgres', async () => openHarness(await newDatabase()))
 */
export function describeSource(
  name: string,
  open: OpenSource,
  options: { readonly timeoutMs?: number } = {},
): void {
  describe(`source ${name}`, { timeout: options.timeoutMs ?? 60_000 }, () => {
    describeHandles(open);
    describeViews(open);
    describeChanges(open);
    describeTargets(open);
  });
}

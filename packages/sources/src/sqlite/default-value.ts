import { DatabaseSync } from 'node:sqlite';
import { resultOf } from './errors.ts';
import { RawText, type SqliteValue, valueText } from './value-text.ts';

/**
 * The text of a column's value in records that are older than the column (`ALTER TABLE … ADD COLUMN` rewrites none).
 * SQLite itself evaluates the default, with the column's affinity, in a database of its own.
 */
export function missingText(affinity: string, defaultSql: string | null): string {
  if (defaultSql === null || /^null$/i.test(defaultSql)) return 'null';
  const db = new DatabaseSync(':memory:', { enableDoubleQuotedStringLiterals: true });
  try {
    db.exec(`CREATE TABLE t(c ${affinity} DEFAULT ${defaultSql}); INSERT INTO t DEFAULT VALUES`);
    const row = db
      .prepare('SELECT typeof(c) AS class, c AS value, CAST(c AS BLOB) AS bytes FROM t', {
        readBigInts: true,
      })
      .get() as unknown as { class: string; value: SqliteValue; bytes: Uint8Array };
    const broken = row.class === 'text' && !Buffer.from(String(row.value), 'utf8').equals(row.bytes);
    return valueText(broken ? new RawText(row.bytes) : row.value);
  } catch (caught) {
    // Only constants may be added to a table with rows, and those work everywhere. What fails here (a function of the
    // user's own) is the default of a column as old as its table, which no record lacks.
    if (resultOf(caught) !== undefined) return 'null';
    throw caught;
  } finally {
    db.close();
  }
}

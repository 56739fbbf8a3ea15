import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Finding } from '@holdfast/core';
import { tablesOf } from './catalog.ts';
import { databaseFiles, pragma } from './connection.ts';
import { isForeign, translate } from './errors.ts';
import { hasTable, preparedId } from './identity.ts';
import { ownTables, quoteName } from './names.ts';
import { noBytesFindings } from './no-bytes.ts';
import { ownTriggers, triggersOf, watchRecords } from './prepare.ts';
import { definitionOf } from './state.ts';
import type { SqliteUrl } from './url.ts';
import { watchable, watchDefinition } from './watch.ts';

function finding(check: string, severity: Finding['severity'], message: string, hint?: string): Finding {
  return { check, ok: severity === 'info', severity, message, ...(hint === undefined ? {} : { hint }) };
}

/** What `doctor` looks at, good findings included. Reads little, writes nothing. */
export function diagnoseDatabases(db: DatabaseSync, url: SqliteUrl): Finding[] {
  return databaseFiles(url).flatMap((file): Finding[] => {
    const found: Finding[] = [];
    const stat = statSync(file.path);
    found.push(finding(`${file.name}: open`, 'info', `${file.path}, ${stat.size} bytes, is readable`));
    found.push(...noBytesFindings([file]));
    const mode = String(pragma(db, file.name, 'journal_mode'));
    found.push(
      mode === 'wal'
        ? finding(`${file.name}: journal mode`, 'info', 'WAL: writers go on while a backup reads')
        : finding(
            `${file.name}: journal mode`,
            'warning',
            `${mode}: writers wait while a backup reads (a large database is copied first)`,
            '`PRAGMA journal_mode=WAL` lets them go on',
          ),
    );
    try {
      const result = String(pragma(db, file.name, 'quick_check(1)'));
      found.push(
        result === 'ok'
          ? finding(`${file.name}: quick check`, 'info', 'no damage found')
          : {
              ...finding(`${file.name}: quick check`, 'error', result, 'run `PRAGMA integrity_check`'),
              code: 'corrupt',
            },
      );
    } catch (caught) {
      const error = translate(caught, file.path);
      if (isForeign(caught)) {
        found.push(
          finding(
            `${file.name}: quick check`,
            'warning',
            `${error.reason}: it cannot be checked here`,
            'a logical backup of it restores only where that is known; take snapshots',
          ),
          ...preparedFindings(db, file.name),
        );
        return found;
      }
      found.push({
        ...finding(`${file.name}: quick check`, 'error', error.reason, error.hint),
        code: error.code,
      });
    }
    found.push(...preparedFindings(db, file.name));
    return found;
  });
}

/** Whether incrementals come from revisions, and what of it is out of date. */
export function preparedFindings(db: DatabaseSync, database: string): Finding[] {
  const check = `${database}: revisions`;
  if (preparedId(db, database) === undefined) {
    return [
      finding(
        check,
        'info',
        'not prepared: incrementals compare chunks, which reads the whole database when it has changed',
        '`holdfast source prepare` adds triggers that keep changes',
      ),
    ];
  }
  const missing = Object.values(ownTables).filter((table) => !hasTable(db, database, table));
  if (missing.length > 0) {
    return [
      {
        ...finding(
          check,
          'error',
          `${missing.join(', ')} is missing, and statements that change watched tables fail`,
          'run `holdfast source prepare` again, or `holdfast source forget`',
        ),
        code: 'precondition_failed',
      },
    ];
  }
  const records = watchRecords(db, database);
  const triggers = ownTriggers(db, database);
  const found: Finding[] = [];
  for (const table of tablesOf(db, database)) {
    const how = watchable(db, table);
    if (typeof how === 'string') {
      if (!table.name.startsWith('sqlite_')) {
        found.push(finding(check, 'info', `${table.path} is compared by chunks: ${how}`));
      }
      continue;
    }
    const record = records.get(table.name);
    const count = how.uniques.length > 0 ? 5 : 3;
    const current =
      record !== undefined &&
      triggersOf(triggers, record.number, table.name) === count &&
      record.definition === watchDefinition(definitionOf({ db }, table), how.uniques);
    if (!current) {
      found.push(
        finding(
          check,
          'warning',
          `${table.path} is new or altered: it comes whole in the next incremental`,
          'the next backup brings its triggers up to date; `holdfast source prepare` does so now',
        ),
      );
    }
  }
  const { n } = db
    .prepare(`SELECT count(*) AS n FROM ${quoteName(database)}.${ownTables.revisions}`)
    .get() as {
    n: number;
  };
  found.push(finding(check, 'info', `${records.size} tables are watched, ${n} revisions are kept`));
  return found;
}

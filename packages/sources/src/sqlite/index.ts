import { existsSync } from 'node:fs';
import type { SourceDriver } from '@holdfast/core';
import { checkFile, databaseFiles, openConnection, whenFree } from './connection.ts';
import { sqliteType } from './identity.ts';
import { quoteName } from './names.ts';
import { SqliteSource } from './source.ts';
import { parseSqliteUrl } from './url.ts';

export const sqliteDriver: SourceDriver = {
  type: sqliteType,
  schemes: ['sqlite'],
  async open(url, o) {
    o.signal.throwIfAborted();
    const parsed = parseSqliteUrl(url);
    // What is missing may be a restore's target. What is there is looked at now: a wrong file is better told at once.
    const files = databaseFiles(parsed);
    if (files.every((file) => existsSync(file.path))) {
      for (const file of files) checkFile(file.path);
      const db = openConnection(parsed, { write: false });
      try {
        const look = (): void => {
          for (const file of files)
            db.prepare(`SELECT count(*) FROM ${quoteName(file.name)}.sqlite_schema`).get();
        };
        await whenFree(look, { ...o, timeoutMs: parsed.busyTimeoutMs, what: `cannot read ${parsed.path}` });
      } finally {
        db.close();
      }
    }
    return new SqliteSource(parsed, o.clock);
  },
};

import type { SchemaStatement } from '@holdfast/core';
import { splitSql } from './split-sql.ts';

/** pg_dump's header of an object. Greedy, because a name may contain what looks like the rest. */
const header = /^-- Name: (.*); Type: ([A-Z][A-Z0-9 ]*); Schema: (.*); Owner: .*$/s;

/**
 * pg_dump says only when these change; here every object has the ones that it needs before it, so that objects can be
 * restored in any order and by any session.
 */
const lasting = /^SET (default_tablespace|default_table_access_method|default_toast_compression) = /;
const keptInStorage = new Set(['TABLE', 'MATERIALIZED VIEW', 'INDEX', 'CONSTRAINT']);

/** pg_dump's preamble; a restore's session has settings of its own. */
const preamble = /^(?:SET |SELECT pg_catalog\.set_config\()/;

/** One row per object, in pg_dump's order: all statements of one object belong together (its owner comes last). */
export function readEntries(script: string, section: 'pre-data' | 'post-data'): SchemaStatement[] {
  const entries: SchemaStatement[] = [];
  const settings = new Map<string, string>();
  let type = '';
  let name = '';
  let statements: string[] = [];
  const close = (): void => {
    if (statements.length > 0) entries.push({ section, type, name, text: statements.join('\n') });
    statements = [];
  };
  for (const piece of splitSql(script)) {
    // `\restrict` guards psql against what a hostile server put into names; nothing here is given to psql.
    if (piece.kind === 'command') continue;
    if (piece.kind === 'comment') {
      const found = header.exec(piece.text);
      if (!found) continue;
      close();
      type = found[2] ?? '';
      name = found[3] === '-' ? (found[1] ?? '') : `${found[3]}.${found[1]}`;
      continue;
    }
    const setting = lasting.exec(piece.text)?.[1];
    if (setting !== undefined) settings.set(setting, piece.text);
    else if (type !== '' || !preamble.test(piece.text)) {
      if (statements.length === 0 && keptInStorage.has(type)) statements.push(...settings.values());
      statements.push(piece.text);
    }
  }
  close();
  return entries;
}

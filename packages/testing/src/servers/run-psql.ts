import { join } from 'node:path';
import { newestPostgres } from './postgres-installation.ts';
import { runProgram } from './run-program.ts';

/** `name` as an SQL identifier. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `value` as an SQL string literal, whatever `standard_conforming_strings` says. */
export function quoteText(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return value.includes('\\') ? ` E${quoted}` : quoted;
}

/**
 * Runs statements by psql, each in a transaction of its own, and returns the rows of all of them: one line a row,
 * columns separated by `|`, no heading. The first error ends it and is thrown with psql's words.
 */
export async function runPsql(url: string, sql: string, binFolder?: string): Promise<string> {
  const folder = binFolder ?? (await newestPostgres()).binFolder;
  const args = ['-X', '-q', '-A', '-t', '-w', '-v', 'ON_ERROR_STOP=1', '-d', url, '-f', '-'];
  return (await runProgram(join(folder, 'psql'), args, { input: sql })).replace(/\n$/, '');
}

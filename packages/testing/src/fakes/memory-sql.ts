import type { MemoryDatabase, MemoryRow, MemoryTransaction } from './memory-database.ts';

/** Where the tables of statements are. */
export const memoryPath = (table: string): string => `/memory.${table}`;

const token = /'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_]*|-?\d+|[(),=]/g;

/**
 * Runs statements of the SQL that the contract of sources uses, in one transaction: just enough of it for a database
 * in memory to be under the same contract as real ones.
 */
export function executeSql(database: MemoryDatabase, statements: readonly string[]): void {
  const rows = statements.filter((sql) => /^(insert|update|delete)\b/i.test(sql));
  for (const sql of statements)
    if (!rows.includes(sql) && !/^drop\b/i.test(sql)) define(database, wordsOf(sql));
  if (rows.length > 0) database.transaction((t) => rows.map((sql) => change(t, wordsOf(sql))));
  for (const sql of statements)
    if (/^drop\b/i.test(sql)) database.dropTable(memoryPath(wordsOf(sql)[2] ?? ''));
}

function wordsOf(sql: string): string[] {
  return sql.match(token) ?? [];
}

function define(database: MemoryDatabase, words: readonly string[]): void {
  const [verb = '', , table = '', ...rest] = words;
  if (verb === 'ALTER') {
    const [, , name = '', type = ''] = rest;
    database.addColumn(memoryPath(table), { name, type }, 'null');
    return;
  }
  const columns = rest
    .slice(1, -1)
    .join(' ')
    .split(' , ')
    .map((column) => column.split(' '));
  database.createTable(memoryPath(table), {
    columns: columns.map(([name = '', type = '']) => ({ name, type })),
    key: columns.filter((column) => column.includes('PRIMARY')).map(([name = '']) => name),
  });
}

function change(t: MemoryTransaction, words: readonly string[]): void {
  if (words[0] === 'INSERT') {
    const rows = words.slice(4).join('\0').split(')\0,\0');
    t.insert(memoryPath(words[2] ?? ''), ...rows.map((row) => valuesOf(row.split('\0'))));
    return;
  }
  const path = memoryPath(words[words[0] === 'UPDATE' ? 1 : 2] ?? '');
  const table = t.tables.get(path);
  const where = words.indexOf('WHERE');
  if (!table) throw new Error(`there is no table ${path}`);
  if (where < 0) {
    t.truncate(path);
    return;
  }
  const at = (name: string | undefined): number => table.columns.findIndex((column) => column.name === name);
  const [, column, , value] = words.slice(where);
  const [wanted] = valuesOf([value ?? '']);
  for (const row of [...table.rows.values()].filter((one) => one[at(column)] === wanted)) {
    const key = table.key.map((name) => row[at(name)] ?? '');
    if (words[0] === 'DELETE') t.delete(path, key);
    else t.update(path, key, assigned(row, words.slice(3, where), at));
  }
}

/** `name = 'b' , more = 1` */
function assigned(
  row: MemoryRow,
  words: readonly string[],
  at: (name: string | undefined) => number,
): MemoryRow {
  const next = [...row];
  for (let n = 0; n < words.length; n += 4) next[at(words[n])] = valuesOf([words[n + 2] ?? ''])[0] ?? 'null';
  return next;
}

function valuesOf(words: readonly string[]): string[] {
  return words
    .filter((word) => word !== '(' && word !== ')' && word !== ',' && word !== '')
    .map((word) => {
      if (word === 'NULL') return 'null';
      return word.startsWith("'") ? JSON.stringify(word.slice(1, -1).replaceAll("''", "'")) : word;
    });
}

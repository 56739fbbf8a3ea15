/** Prints changes as contrib/test_decoding/test_decoding.c does, for tests. */
export interface Field {
  readonly form: 'raw' | 'quoted' | 'boolean' | 'bits' | 'null';
  readonly value: string | null;
}

export interface Printed {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

export interface PrintedChange {
  /** `KEY`: an update that logs the old row too. */
  readonly operation: 'INSERT' | 'UPDATE' | 'KEY' | 'DELETE' | 'TRUNCATE';
  readonly row: readonly Field[];
  readonly old: readonly Field[];
}

export function quoteIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function print({ form, value }: Field): string {
  if (value === null) return 'null';
  if (form === 'raw') return value;
  if (form === 'boolean') return value === 't' ? 'true' : 'false';
  if (form === 'bits') return `B'${value}'`;
  return `'${value.replaceAll("'", "''")}'`;
}

function tuple({ columns }: Printed, row: readonly Field[], skipNulls: boolean): string {
  return columns
    .map((column, i) => ({ column, field: row[i] ?? ({ form: 'null', value: null } as const) }))
    .filter(({ field }) => !(skipNulls && field.value === null))
    .map(({ column, field }) => ` ${quoteIdentifier(column.name)}[${column.type}]:${print(field)}`)
    .join('');
}

export function printChange(table: Printed, change: PrintedChange): string {
  const head = `table ${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}: `;
  switch (change.operation) {
    case 'INSERT':
    case 'UPDATE':
      return `${head}${change.operation}:${tuple(table, change.row, false)}`;
    case 'KEY':
      return `${head}UPDATE: old-key:${tuple(table, change.old, true)} new-tuple:${tuple(table, change.row, false)}`;
    case 'DELETE':
      return `${head}DELETE:${tuple(table, change.old, true)}`;
    case 'TRUNCATE':
      return `${head}TRUNCATE: (no-flags)`;
  }
}

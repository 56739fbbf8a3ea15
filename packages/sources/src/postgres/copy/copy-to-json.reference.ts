/**
 * COPY text to JSON lines as slow, plain JavaScript: what tests compare `CopyToJson` with. It works on whole rows as
 * strings, and so shares nothing with the byte scanner, not even its way of thinking.
 */
export function copyToJsonReference(text: string, columns: number): string {
  const rows = text.split('\n');
  if (rows.pop() !== '') throw new Error('the last row has no newline');
  return rows.map((row) => `${jsonRow(row, columns)}\n`).join('');
}

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function jsonRow(row: string, columns: number): string {
  if (columns === 0 && row === '') return '[]';
  const fields = row.split('\t');
  if (fields.length !== columns) throw new Error(`${fields.length} fields instead of ${columns}`);
  return JSON.stringify(fields.map((field) => (field === '\\N' ? null : unescaped(field))));
}

function unescaped(field: string): string {
  return field.replace(/\\(.)/gsu, (_all, c: string) => escapes[c] ?? c);
}

/** A row as the server prints it. */
export function copyRowReference(values: readonly (string | null)[]): string {
  return `${values.map((value) => (value === null ? '\\N' : escaped(value))).join('\t')}\n`;
}

const letters = new Map(Object.entries(escapes).map(([letter, c]) => [c, letter]));

function escaped(value: string): string {
  return value.replace(/[\\\b\f\n\r\t\v]/g, (c) => `\\${letters.get(c) ?? c}`);
}

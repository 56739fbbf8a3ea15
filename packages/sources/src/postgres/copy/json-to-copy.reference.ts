import { copyRowReference } from './copy-to-json.reference.ts';

/** JSON lines to COPY text by way of JSON.parse: what tests compare `JsonToCopy` with. Throws on anything else. */
export function jsonToCopyReference(text: string, columns?: number): string {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line has no newline');
  let expected = columns;
  return lines
    .map((line) => {
      const values = valuesOf(line);
      expected ??= values.length;
      if (values.length !== expected) throw new Error(`${values.length} values instead of ${expected}`);
      return copyRowReference(values);
    })
    .join('');
}

function valuesOf(line: string): (string | null)[] {
  const values: unknown = JSON.parse(line);
  // JSON.parse allows blanks between values; they do not occur, and are refused.
  if (
    !Array.isArray(values) ||
    /^[\s]|[\s]$/.test(line) ||
    /\s/.test(line.replace(/"(\\.|[^"\\])*"/gs, ''))
  ) {
    throw new Error('not one array');
  }
  return values.map((value) => {
    if (value === null) return null;
    if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed())
      throw new Error('not a value');
    return value;
  });
}

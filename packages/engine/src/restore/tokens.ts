import { HoldfastError } from '@holdfast/core';

/**
 * Values as the JSON texts they are stored as. Parsing them would lose what JavaScript's numbers cannot hold (64-bit
 * integers, 1 beside 1.0), and a restore only moves them.
 */

/** The texts of the elements of the JSON array that begins at `at`, and where it ends. */
export function splitArray(text: string, at = 0): { readonly elements: string[]; readonly end: number } {
  if (text.charCodeAt(at) !== 91) throw notAnArray(text);
  const elements: string[] = [];
  let position = at + 1;
  if (text.charCodeAt(position) === 93) return { elements, end: position + 1 };
  for (;;) {
    const end = skipValue(text, position);
    elements.push(text.slice(position, end));
    const next = text.charCodeAt(end);
    if (next === 93) return { elements, end: end + 1 };
    if (next !== 44) throw notAnArray(text);
    position = end + 1;
  }
}

/** Where the value that begins at `at` ends. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === 34) return skipString(text, at);
  if (first === 91 || first === 123) return skipNested(text, at);
  let position = at;
  for (; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 44 || code === 93 || code === 125) break;
  }
  if (position === at) throw notAnArray(text);
  return position;
}

function skipString(text: string, at: number): number {
  for (let from = at + 1; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw notAnArray(text);
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 92) backslashes++;
    // An even number of backslashes escape one another, not the quote.
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

function skipNested(text: string, at: number): number {
  let depth = 0;
  for (let position = at; position < text.length; ) {
    const code = text.charCodeAt(position);
    if (code === 34) {
      position = skipString(text, position);
      continue;
    }
    if (code === 91 || code === 123) depth++;
    if (code === 93 || code === 125) depth--;
    position++;
    if (depth === 0) return position;
  }
  throw notAnArray(text);
}

/** One text per key, whatever escapes its writers chose. */
export function keyText(values: readonly string[]): string {
  let key = '';
  for (const value of values) key += `${value.includes('\\') ? JSON.stringify(JSON.parse(value)) : value},`;
  return key;
}

/** `{}`: a value that an update did not touch and the log does not carry. */
export const keep = '{}';

export function rowText(values: readonly string[]): string {
  return `[${values.join(',')}]`;
}

function notAnArray(text: string): HoldfastError {
  return new HoldfastError('corrupt', `a line is not a JSON array: ${text.slice(0, 60)}`);
}

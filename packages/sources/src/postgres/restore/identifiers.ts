/** One identifier as pg_dump prints it: bare, or in quotes. */
const word = `(?:"(?:[^"]|"")+"|[^\\s".,;()]+)`;
/** `word` or `word.word`. */
const qualified = `${word}(?:\\.${word})?`;

/** Source texts for regular expressions over what pg_dump prints. */
export const patterns = { word, qualified } as const;

/** `public."Odd ""name"` -> `["public", "Odd \"name"]`. */
export function parseQualified(text: string): readonly string[] {
  return [...text.matchAll(new RegExp(word, 'gu'))].map(([part]) => unquoteName(part));
}

export function unquoteName(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

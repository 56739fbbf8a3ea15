/**
 * Chunk paths: `/public.orders`, `/public.events/public.events_2026_11/@0-4095`.
 *
 * A path is `/` before each of its parts. The first part names a table (the schema, a dot, the table), each further
 * one a partition below it, the last one may be a key range, which begins with `@`. Within a name every character
 * that has a meaning here (`/ . % ? ~ @ "`), white space and control characters stand as `~` and two hexadecimal
 * digits per UTF-8 byte, so that a path is one word, and a wildcard (`%` any characters, `?` one) is never a name.
 */
const reserved = /[/.%?~@"\s\p{Cc}]/gu;
const utf8 = new TextEncoder();

function escapeCharacter(character: string): string {
  let out = '';
  for (const byte of utf8.encode(character)) out += `~${byte.toString(16).padStart(2, '0')}`;
  return out;
}

/** One name as it stands inside a path. */
export function encodeName(name: string): string {
  return name.replace(reserved, escapeCharacter);
}

/** The name that `encodeName` wrote. */
export function decodeName(encoded: string): string {
  if (!encoded.includes('~')) return encoded;
  // decodeURIComponent joins the bytes of a character; a literal per cent sign cannot occur in an encoded name.
  return encoded.replace(/(?:~[0-9a-f]{2})+/g, (run) => decodeURIComponent(run.replaceAll('~', '%')));
}

/** The part of a path that names a relation: `["public","orders"]` -> `public.orders`. */
export function relationPart(schema: string, name: string): string {
  return `${encodeName(schema)}.${encodeName(name)}`;
}

/** The path of a relation below its ancestors, outermost first. */
export function relationPath(...lineage: readonly (readonly [schema: string, name: string])[]): string {
  return lineage.map(([schema, name]) => `/${relationPart(schema, name)}`).join('');
}

/** The path without its key range: the table or partition that a chunk belongs to. */
export function relationOf(path: string): string {
  const at = path.lastIndexOf('/');
  return path[at + 1] === '@' ? path.slice(0, at) : path;
}

/** Whether `path` is `prefix` itself or lies below it. */
export function isUnder(path: string, prefix: string): boolean {
  return path === prefix || (path.startsWith(prefix) && path[prefix.length] === '/');
}

/** Whether a path matches a pattern with the wildcards `%` (any characters, also none) and `?` (one character). */
export function matchesPath(path: string, pattern: string): boolean {
  const source = pattern
    .replace(/[\\^$.*+()[\]{}|]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}(?:/.*)?$`, 'su').test(path);
}

import { resolve } from 'node:path';
import { HoldfastError } from '@holdfast/core';

/** What a `sqlite:` URL says. */
export interface SqliteUrl {
  /** Absolute. */
  readonly path: string;
  readonly attached: readonly { readonly name: string; readonly path: string }[];
  readonly busyTimeoutMs: number;
}

const busyTimeoutDefaultMs = 60_000;
const busyTimeoutMaxMs = 24 * 3_600_000;
/** SQLite's own limit in the build that Node has (SQLITE_MAX_ATTACHED). */
const attachedMax = 10;
const parameters = ['attach', 'busy_timeout'];

function invalid(reason: string, hint: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, { hint });
}

/** Edits that turn one word into the other (Levenshtein), for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function nearest(name: string): string {
  return [...parameters].sort((a, b) => distance(name, a) - distance(name, b))[0] ?? '';
}

function filePath(text: string, url: string): string {
  // `sqlite:///abs` has an empty authority; `sqlite://host/…` would name another machine, which SQLite cannot read.
  let path = text;
  if (path.startsWith('//')) {
    if (!path.startsWith('///')) {
      throw invalid(
        `\`${url}\` names a host, and SQLite databases are local files`,
        'write `sqlite:./shop.db` or `sqlite:/path/shop.db`',
      );
    }
    path = path.slice(2);
  }
  try {
    path = decodeURIComponent(path);
  } catch {
    throw invalid(`\`${url}\` has a \`%\` that begins no escape`, 'write a per cent sign as `%25`');
  }
  if (path === '' || path === ':memory:') {
    throw invalid(`\`${url}\` names no file`, 'write `sqlite:./shop.db` or `sqlite:/path/shop.db`');
  }
  if (path.includes('\0')) throw invalid(`\`${url}\` has a NUL in its path`, 'remove `%00`');
  return resolve(path);
}

function attachment(value: string, url: string): { name: string; path: string } {
  const colon = value.indexOf(':');
  const name = value.slice(0, colon);
  if (colon < 1 || colon === value.length - 1) {
    throw invalid(`\`attach=${value}\` is not \`name:path\``, 'write `attach=archive:./archive.db`');
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name) || /^(main|temp)$/i.test(name)) {
    throw invalid(
      `\`${name}\` cannot name an attached database`,
      'take letters, digits and `_`, but not `main` or `temp`',
    );
  }
  // URLSearchParams has decoded it already.
  const path = value.slice(colon + 1);
  if (path.includes('\0')) throw invalid(`\`${url}\` has a NUL in a path`, 'remove `%00`');
  return { name, path: resolve(path) };
}

/** @throws HoldfastError config_invalid */
export function parseSqliteUrl(url: string): SqliteUrl {
  const match = /^sqlite:([^?#]*)(?:\?([^#]*))?$/s.exec(url);
  if (!match)
    throw invalid(
      `\`${url}\` is no SQLite URL`,
      'write `sqlite:./shop.db`; `#` and `?` in a path as `%23`, `%3F`',
    );
  const path = filePath(match[1] ?? '', url);
  const attached: { name: string; path: string }[] = [];
  let busyTimeoutMs = busyTimeoutDefaultMs;
  for (const [name, value] of new URLSearchParams(match[2] ?? '')) {
    if (name === 'attach') {
      const next = attachment(value, url);
      if (attached.some((one) => one.name.toLowerCase() === next.name.toLowerCase())) {
        throw invalid(`\`attach\` gives the name \`${next.name}\` twice`, 'give each database its own name');
      }
      if (next.path === path || attached.some((one) => one.path === next.path)) {
        throw invalid(`\`${next.path}\` is named twice`, 'name each file once');
      }
      attached.push(next);
      if (attached.length > attachedMax) {
        throw invalid(`more than ${attachedMax} attached databases`, 'make a source of its own for the rest');
      }
    } else if (name === 'busy_timeout') {
      busyTimeoutMs = Number(value);
      if (!/^\d+$/.test(value) || busyTimeoutMs > busyTimeoutMaxMs) {
        throw invalid(
          `\`busy_timeout=${value}\` is not a number of milliseconds from 0 to ${busyTimeoutMaxMs}`,
          'write `busy_timeout=60000` for a minute',
        );
      }
    } else {
      throw invalid(
        `unknown parameter \`${name}\` in a SQLite URL`,
        `did you mean \`${nearest(name)}\`? known: ${parameters.join(', ')}`,
      );
    }
  }
  return { path, attached, busyTimeoutMs };
}

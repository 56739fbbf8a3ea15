import { readFile } from 'node:fs/promises';
import { HoldfastError, type Sig } from '@holdfast/core';

export interface InterpolateOptions extends Sig {
  /** Where `${env:NAME}` looks. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A secret's file is a line, not a disk image: what is longer was named by mistake. */
const fileBytesMax = 64 * 1024;

const placeholder = /\$\{([^}]*)\}/g;

/** Whether a text names a secret instead of holding it. */
export function hasPlaceholder(text: string): boolean {
  return text.includes('${');
}

/**
 * Puts in what `${env:NAME}` and `${file:PATH}` name; of a file, one newline at its end is not part of the value.
 * Where a placeholder is the whole user name (before a colon), password or query value of a URL, the value is
 * percent-encoded, so that a password may hold any character; anywhere else it stands as it is.
 *
 * @throws HoldfastError config_invalid, naming the placeholder and never a value
 */
export async function interpolate(text: string, o: InterpolateOptions): Promise<string> {
  const matches = [...text.matchAll(placeholder)];
  const rest = text.replace(placeholder, '');
  if (rest.includes('${')) {
    throw new HoldfastError('config_invalid', 'a placeholder in the URL has no closing brace', {
      hint: placeholderHint,
    });
  }
  let out = '';
  let end = 0;
  for (const match of matches) {
    const before = text.slice(end, match.index);
    const after = text.slice(match.index + match[0].length);
    const value = await resolve(match[1] ?? '', o);
    out += before;
    out += isWholePart(out, after) ? encodeURIComponent(value) : value;
    end = match.index + match[0].length;
  }
  return out + text.slice(end);
}

const placeholderHint = 'write $' + '{env:NAME} for an environment variable, or $' + '{file:PATH} for a file';

/** `before` is already interpolated, `after` is not: only its first character matters. */
function isWholePart(before: string, after: string): boolean {
  if (/[?&][^=&#]*=$/.test(before)) return /^(?:[&#]|$)/.test(after);
  if (/^[a-z][a-z0-9+.-]*:\/\/$/i.test(before)) return after.startsWith(':');
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:$/i.test(before) && after.startsWith('@');
}

async function resolve(inner: string, o: InterpolateOptions): Promise<string> {
  const colon = inner.indexOf(':');
  const kind = inner.slice(0, Math.max(colon, 0));
  const name = inner.slice(colon + 1);
  if ((kind !== 'env' && kind !== 'file') || name === '') {
    throw new HoldfastError(
      'config_invalid',
      `the placeholder $\{${inner}} is not one that can be filled in`,
      {
        hint: placeholderHint,
      },
    );
  }
  return kind === 'env' ? fromEnvironment(name, o.env ?? process.env) : fromFile(name, o);
}

function fromEnvironment(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  const what = value === undefined ? 'not set' : 'empty';
  throw new HoldfastError('config_invalid', `the environment variable ${name} is ${what}`, {
    hint: `set it for this command; a URL names it as $\{env:${name}}`,
  });
}

async function fromFile(path: string, o: Sig): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path, { signal: o.signal });
  } catch (cause) {
    if (o.signal.aborted) throw o.signal.reason;
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError('config_invalid', `the file ${path} cannot be read: ${code}`, {
      hint: `it must exist and be readable by this user; a URL names it as $\{file:${path}}`,
      cause,
    });
  }
  if (bytes.length > fileBytesMax) {
    throw new HoldfastError(
      'config_invalid',
      `the file ${path} is too long for a secret: ${bytes.length} bytes`,
      {
        hint: `at most ${fileBytesMax} bytes are read`,
      },
    );
  }
  const value = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (value === '') throw new HoldfastError('config_invalid', `the file ${path} is empty`);
  return value;
}

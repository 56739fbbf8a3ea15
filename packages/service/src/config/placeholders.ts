import { didYouMean, redactUrl } from '@holdfast/core';

const placeholder = /\$\{([^}]*)\}/g;
const kinds = ['env', 'file'];
/** Written so that no linter takes it for a template. */
export const placeholderForms = '$' + '{env:NAME} or $' + '{file:/PATH}';

/** Whether a text is one placeholder and nothing else. */
export function isPlaceholder(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text);
}

/** A text without its placeholders. */
export function withoutPlaceholders(text: string): string {
  return text.replace(placeholder, '');
}

export interface PlaceholderRules {
  /** A node's own file may name files from where it is itself; objects are for nodes with different folders. */
  readonly relativeFiles?: boolean;
}

/** What is wrong with the placeholders of a text; nothing is filled in: that is done where it is used. */
export function placeholderProblem(text: string, o: PlaceholderRules = {}): string | undefined {
  if (withoutPlaceholders(text).includes('${')) {
    return `holds a placeholder without a closing brace; expected ${placeholderForms}`;
  }
  for (const [whole, inner = ''] of text.matchAll(placeholder)) {
    const problem = judgeInner(whole, inner, o);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function judgeInner(whole: string, inner: string, o: PlaceholderRules): string | undefined {
  const colon = inner.indexOf(':');
  const kind = colon < 0 ? inner : inner.slice(0, colon);
  const name = colon < 0 ? '' : inner.slice(colon + 1);
  if (!kinds.includes(kind)) {
    return `the placeholder ${whole} cannot be filled in; expected ${placeholderForms}${didYouMean(kind, kinds)}`;
  }
  if (kind === 'env' && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return `the placeholder ${whole} names no environment variable; expected ${placeholderForms}`;
  }
  if (kind === 'file' && (name === '' || name.includes('\0'))) {
    return `the placeholder ${whole} names no file; expected ${placeholderForms}`;
  }
  if (kind === 'file' && !name.startsWith('/') && !o.relativeFiles) {
    return `the placeholder ${whole} has to name its file by a path from the root: nodes work in different folders`;
  }
  return undefined;
}

/** A name whose value opens a door. A key may also be the name of an object: only some kinds of keys count. */
const secretName =
  /(?:password|passwd|passphrase|secret|token|signature)$|(?:access|account|api|private|secret|shared)_?key$|^(?:pwd|key|sig|sas)$/i;

/** Whether a field or a parameter of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/**
 * Whether a URL holds a secret, or a piece of one, itself instead of naming where one is kept. In doubt it does: an @
 * after a port (`h:5432/db?x=a@b`) may be the end of a password that was not encoded; %40 is not.
 */
export function holdsLiteralSecret(url: string): boolean {
  const literal = withoutPlaceholders(url);
  if (redactUrl(literal).replaceAll('[secret]', '') !== literal) return true;
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(literal)?.[1] ?? '';
  const login = authority.slice(0, Math.max(0, authority.lastIndexOf('@')));
  // A user name with an @ in it, which the cautious pattern of a log's line does not see.
  if (/:./s.test(login)) return true;
  const query = /\?([^#]*)/s.exec(literal)?.[1] ?? '';
  // The names too may be written with per cent signs, and are read without.
  return [...new URLSearchParams(query)].some(([name, value]) => value !== '' && isSecretName(name));
}

/** A text of any field as it may be shown: placeholders as they are written, secrets not at all. */
export function shownText(field: string, text: string): string {
  if (isPlaceholder(text)) return text;
  if (isSecretName(field)) return '[secret]';
  return holdsLiteralSecret(text) ? `${/^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0] ?? ''}[secret]` : text;
}

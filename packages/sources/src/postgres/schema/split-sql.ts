/** A stretch of an SQL script: nothing of the script is in no piece, but white space between pieces. */
export interface SqlPiece {
  /** `command`: a line for psql, as `\restrict`. `comment`: between statements; those inside belong to theirs. */
  readonly kind: 'statement' | 'comment' | 'command';
  readonly text: string;
}

/**
 * Splits a script as psql does, with `standard_conforming_strings` on: a semicolon ends a statement unless it stands in
 * quotes, a comment, parentheses (rules), or the `BEGIN ATOMIC … END` body of a function.
 */
export function* splitSql(script: string): Generator<SqlPiece> {
  let at = 0;
  for (;;) {
    at = skipSpace(script, at);
    if (at >= script.length) return;
    if (script[at] === '\\') {
      const end = lineEnd(script, at);
      yield { kind: 'command', text: script.slice(at, end) };
      at = end;
      continue;
    }
    const comment = commentEnd(script, at);
    if (comment !== undefined) {
      yield { kind: 'comment', text: script.slice(at, comment) };
      at = comment;
      continue;
    }
    const end = statementEnd(script, at);
    yield { kind: 'statement', text: script.slice(at, end).trimEnd() };
    at = end;
  }
}

/** Up to and with its semicolon, or the end of the script. */
function statementEnd(script: string, from: number): number {
  let parentheses = 0;
  const body = new FunctionBody();
  for (let at = from; at < script.length; ) {
    const character = script[at] as string;
    if (character === ';' && parentheses === 0 && body.depth === 0) return at + 1;
    if (character === '(') parentheses++;
    else if (character === ')' && parentheses > 0) parentheses--;
    const quoted = quotedEnd(script, at) ?? commentEnd(script, at);
    if (quoted !== undefined) {
      at = quoted;
      continue;
    }
    const word = wordEnd(script, at);
    if (word === undefined) {
      at++;
      continue;
    }
    const text = script.slice(at, word);
    // E'…' is the one kind of string in which a backslash hides a quote; N, B, X and U& strings are plain.
    if (script[word] === "'" && (text === 'E' || text === 'e')) {
      at = escapedStringEnd(script, word);
      continue;
    }
    if (parentheses === 0) body.see(text);
    else body.count();
    at = word;
  }
  return script.length;
}

/**
 * psql's own heuristic: in a statement that begins with CREATE [OR REPLACE] FUNCTION or PROCEDURE, BEGIN opens a block,
 * inside of it CASE too, and END closes one.
 */
class FunctionBody {
  depth = 0;
  #words = 0;
  #head = '';

  see(word: string): void {
    const lower = word.toLowerCase();
    if (this.#words < 4) this.#head += `${lower} `;
    this.#words++;
    if (!/^create (?:or replace )?(?:function|procedure) /.test(this.#head)) return;
    if (lower === 'begin' || (lower === 'case' && this.depth > 0)) this.depth++;
    else if (lower === 'end' && this.depth > 0) this.depth--;
  }

  count(): void {
    this.#words++;
  }
}

/** The end of `'…'`, `"…"` or `$tag$…$tag$` that begins here. */
function quotedEnd(script: string, at: number): number | undefined {
  const character = script[at];
  if (character === "'" || character === '"') {
    for (let from = at + 1; ; ) {
      const close = script.indexOf(character, from);
      if (close < 0) return script.length;
      if (script[close + 1] !== character) return close + 1;
      from = close + 2;
    }
  }
  if (character !== '$') return undefined;
  dollarTag.lastIndex = at;
  const tag = dollarTag.exec(script)?.[0];
  if (tag === undefined) return undefined;
  const close = script.indexOf(tag, at + tag.length);
  return close < 0 ? script.length : close + tag.length;
}

const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;

function wordEnd(script: string, at: number): number | undefined {
  word.lastIndex = at;
  return word.test(script) ? word.lastIndex : undefined;
}

function escapedStringEnd(script: string, quote: number): number {
  for (let at = quote + 1; at < script.length; at++) {
    if (script[at] === '\\') at++;
    else if (script[at] === "'") {
      if (script[at + 1] !== "'") return at + 1;
      at++;
    }
  }
  return script.length;
}

/** The end of a comment that begins here. Block comments nest. */
function commentEnd(script: string, at: number): number | undefined {
  if (script.startsWith('--', at)) return lineEnd(script, at);
  if (!script.startsWith('/*', at)) return undefined;
  let depth = 0;
  for (let i = at; i < script.length; i++) {
    if (script.startsWith('/*', i)) {
      depth++;
      i++;
    } else if (script.startsWith('*/', i)) {
      depth--;
      i++;
      if (depth === 0) return i + 1;
    }
  }
  return script.length;
}

function lineEnd(script: string, at: number): number {
  const end = script.indexOf('\n', at);
  return end < 0 ? script.length : end;
}

function skipSpace(script: string, at: number): number {
  space.lastIndex = at;
  space.test(script);
  return space.lastIndex;
}

const space = /[ \t\n\r\f\v]*/y;

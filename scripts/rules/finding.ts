/** A file of the repository: its path from the root with forward slashes, and its whole text. */
export interface RepositoryFile {
  readonly path: string;
  readonly text: string;
}

/** One place that breaks one rule. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  /** Short name of the rule, in kebab-case. */
  readonly rule: string;
  /** What is there, and what to do instead. */
  readonly message: string;
}

/** Number of the line, from 1, that holds the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

export function isCode(path: string): boolean {
  return /\.(ts|mts|js|mjs|cjs)$/.test(path);
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** Code that users never run: tests with their fixtures, measurements, and the repository's own scripts. */
export function isOutsideProduct(path: string): boolean {
  if (isTest(path) || path.endsWith('.fixture.ts') || path === 'vitest.config.ts') return true;
  return /^(test|scripts|packages\/testing)\//.test(path) || /(^|\/)bench\//.test(path);
}

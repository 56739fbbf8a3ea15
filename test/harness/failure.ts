import { type ErrorCode, exitCodeOf } from '@holdfast/core';
import { expect } from 'vitest';
import { type Outcome, type RunOptions, runHoldfast } from './run-holdfast.ts';

export interface ExpectedFailure {
  readonly code: ErrorCode;
  /** Said apart from the code, so that the two cannot both be wrong unnoticed. */
  readonly exit: number;
  /** All of it has to be in the message: what happened, and where. */
  readonly says: readonly (string | RegExp)[];
  /** What to do next; undefined: there is nothing to add to the message. */
  readonly hint: string | RegExp | undefined;
}

/** Part of every password that tests put into URLs: no output may show it. */
export const secretWord = 's3cret';

interface ErrorDocument {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string };
}

/** Runs a command that must fail in words that a person can act on: the right code, what, where, and what next. */
export async function expectFailure(
  args: readonly string[],
  expected: ExpectedFailure,
  options: RunOptions = {},
): Promise<ErrorDocument['error']> {
  return assertFailure(await runHoldfast([...args, '--json'], options), expected, args.join(' '));
}

/** The same for a command with --json that has been run already. */
export function assertFailure(
  { code, signal, stdout, stderr }: Outcome,
  expected: ExpectedFailure,
  what = 'the command',
): ErrorDocument['error'] {
  const about = `${what}\n${stderr}${stdout}`;
  expect({ code, signal }, about).toEqual({ code: expected.exit, signal: null });
  expect(stdout, about).toBe('');
  expect(stderr).not.toContain(secretWord);
  const { error } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as ErrorDocument;
  expect(error.code, about).toBe(expected.code);
  expect(exitCodeOf(error.code), about).toBe(expected.exit);
  for (const words of expected.says) {
    if (typeof words === 'string') expect(error.message, about).toContain(words);
    else expect(error.message, about).toMatch(words);
  }
  if (expected.hint === undefined) expect(error.hint, about).toBeUndefined();
  else if (typeof expected.hint === 'string') expect(error.hint, about).toContain(expected.hint);
  else expect(error.hint, about).toMatch(expected.hint);
  return error;
}

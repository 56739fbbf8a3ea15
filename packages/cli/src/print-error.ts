import { HoldfastError } from '@holdfast/core';
import { colorsFor, type Terminal } from './terminal.ts';

export interface PrintErrorOptions {
  readonly json: boolean;
  readonly debug: boolean;
}

/** Tells of a failure on stderr and says which exit code it has. A stack is only for who asks for it. */
export function printError(caught: unknown, terminal: Terminal, o: PrintErrorOptions): number {
  const error = HoldfastError.from(caught);
  const { code, reason, hint } = error;
  const stack = o.debug ? stackOf(error) : undefined;
  if (o.json) {
    terminal.err.write(`${JSON.stringify({ error: { code, message: reason, hint, stack } })}\n`);
    return error.exitCode;
  }
  const colors = colorsFor(terminal.err, terminal.env);
  terminal.err.write(`${colors.red('holdfast:')} [${code}] ${reason}\n`);
  const next = hint ?? (code === 'internal' ? bugHint(o.debug) : undefined);
  if (next !== undefined) terminal.err.write(`${colors.bold('hint:')} ${next}\n`);
  if (stack !== undefined) terminal.err.write(`${stack}\n`);
  return error.exitCode;
}

function bugHint(debug: boolean): string {
  return debug
    ? 'this is a bug: please report it with what follows'
    : 'this is a bug: run it again with --debug and report what it prints';
}

const causesMax = 10;

function stackOf(error: Error): string {
  const stacks: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && stacks.length < causesMax) {
    stacks.push(current.stack ?? current.message);
    current = current.cause;
  }
  return stacks.join('\ncaused by: ');
}

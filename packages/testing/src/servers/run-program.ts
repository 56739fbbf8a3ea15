import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ownEnvironment } from './own-environment.ts';
import type { ServerAccount } from './server-account.ts';

export interface RunProgramOptions {
  /** Written to the program's standard input. */
  readonly input?: string;
  readonly account?: ServerAccount;
  readonly folder?: string;
  readonly runMsMax?: number;
}

/** Runs a program to its end and returns what it printed; throws with its error output unless it exits with 0. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: RunProgramOptions = {},
): Promise<string> {
  const runMsMax = options.runMsMax ?? 120_000;
  const child = spawn(file, [...args], {
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
    ...options.account,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: ownEnvironment(),
    timeout: runMsMax,
    killSignal: 'SIGKILL',
  });
  // A program that ends before it has read everything breaks the pipe; its exit code says what went wrong.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [out, err, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (code === 0) return out;
  const end = signal === null ? `exit code ${code}` : `${signal} (limit ${runMsMax} ms)`;
  throw new Error(`${file} ended with ${end}: ${err.trim().slice(-2_000)}`);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; the repository by default. */
  readonly cwd?: string;
  /** A program with arguments that runs it, such as `prlimit --fsize=…`. */
  readonly through?: readonly string[];
  /** Called with the process once it runs. */
  readonly started?: (process: { readonly pid: number; kill(signal: NodeJS.Signals): void }) => void;
}

/** Runs `holdfast` as a user does: a process of its own, no terminal. */
export async function runHoldfast(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const launcher = join(root, 'packages', 'cli', 'bin', 'holdfast.mjs');
  const [program = '', ...rest] = [...(options.through ?? []), process.execPath, launcher, ...args];
  const child = spawn(program, rest, {
    cwd: options.cwd ?? root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (child.pid !== undefined)
    options.started?.({ pid: child.pid, kill: (signal) => void child.kill(signal) });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** Runs a command that must succeed, and returns its JSON report. */
export async function holdfast<Report = Record<string, unknown>>(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Report> {
  const { code, signal, stdout, stderr } = await runHoldfast([...args, '--json'], options);
  if (code !== 0)
    throw new Error(`holdfast ${args.join(' ')} ended with ${code ?? signal}:\n${stderr}\n${stdout}`);
  return JSON.parse(stdout) as Report;
}

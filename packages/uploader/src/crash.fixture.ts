import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./crash-child.fixture.ts', import.meta.url));

/** Runs the child to its end; the signal that ended it, or its exit code. */
export async function runChild(args: readonly string[]): Promise<string | number> {
  const child = start(args);
  let errors = '';
  child.stderr?.on('data', (text) => {
    errors += text;
  });
  const [code, ended] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== null && code !== 0) throw new Error(errors);
  return ended ?? code ?? 0;
}

export interface LockChild extends AsyncDisposable {
  readonly pid: number;
  /** `locked`, or why not. */
  readonly answer: string;
  kill(): Promise<void>;
}

export async function startLockChild(args: readonly string[]): Promise<LockChild> {
  const child = start(['lock', ...args]);
  const exited = once(child, 'exit');
  const answer = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, 'data').then(([text]) => String(text).trim()),
    exited.then(() => 'ended without an answer'),
  ]);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  return { pid: child.pid as number, answer, kill, [Symbol.asyncDispose]: kill };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--no-warnings', script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
}

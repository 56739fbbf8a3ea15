import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { abortError, type Clock, type Sig, throwIfAborted } from '@holdfast/core';

export interface RunCommandOptions extends Sig {
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
  readonly clock: Clock;
}

/** How a program ended. */
export type CommandEnd =
  | { readonly how: 'exit'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly how: 'killed'; readonly by: string; readonly stdout: string; readonly stderr: string }
  /** It could not be started; the system's code. */
  | { readonly how: 'unstarted'; readonly code: string }
  | { readonly how: 'timeout' | 'tooMuch'; readonly stderr: string; readonly stdout: string };

/**
 * Runs a program to its end, without a shell and without input. One that does not end in time, prints too much, or is
 * given up is killed together with everything that it has started.
 * @throws what the signal was aborted with
 */
export async function runCommand(command: readonly string[], o: RunCommandOptions): Promise<CommandEnd> {
  throwIfAborted(o.signal);
  const [file = '', ...args] = command;
  const done = new AbortController();
  const ended = Promise.withResolvers<CommandEnd>();
  const out = { stdout: '', stderr: '' };
  let child: ChildProcessByStdio<null, Readable, Readable>;
  try {
    // A group of its own, so that a shell's children can be killed as well.
    child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  } catch (error) {
    return { how: 'unstarted', code: codeOf(error) };
  }
  const give = (): void => ended.reject(abortError(o.signal));
  o.signal.addEventListener('abort', give, { once: true });
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      out[name] += text;
      if (out[name].length > o.outputBytesMax) ended.resolve({ how: 'tooMuch', ...out });
    });
  }
  child.on('error', (error) => ended.resolve({ how: 'unstarted', code: codeOf(error) }));
  child.on('close', (code, by) =>
    ended.resolve(code === null ? { how: 'killed', by: by ?? '', ...out } : { how: 'exit', code, ...out }),
  );
  o.clock.sleep(o.timeoutMs, done.signal).then(
    () => ended.resolve({ how: 'timeout', ...out }),
    () => undefined,
  );
  try {
    return await ended.promise;
  } finally {
    done.abort();
    o.signal.removeEventListener('abort', give);
    killGroup(child.pid);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface RunCommandOptions {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Stops the command: SIGINT to it and its children, SIGKILL after ten seconds. */
  readonly signal: AbortSignal;
}

const stopMsMax = 10_000;

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}

/**
 * Runs a command that prints for itself. It gets a process group of its own, so that it can be stopped with all its
 * children, and nothing of the group outlives it. Returns its exit code, 127 when it does not exist.
 */
export async function runCommand(command: readonly string[], options: RunCommandOptions): Promise<number> {
  const [file = '', ...args] = command;
  if (options.signal.aborted) return 1;
  const child = spawn(file, args, {
    cwd: options.folder,
    env: options.env,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  let late: NodeJS.Timeout | undefined;
  const stop = (): void => {
    signalGroup(child.pid, 'SIGINT');
    late = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), stopMsMax);
  };
  options.signal.addEventListener('abort', stop);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } catch (error) {
    console.log(String(error));
    return 127;
  } finally {
    options.signal.removeEventListener('abort', stop);
    clearTimeout(late);
    signalGroup(child.pid, 'SIGKILL');
  }
}

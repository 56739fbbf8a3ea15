/** Joins `main` to this process: its signals, its streams, its exit code. Called by bin/holdfast.mjs alone. */
import { SystemClock } from '@holdfast/core';
import { RunProcess } from '@holdfast/service';
import { stopSignals } from './signals.ts';
import { processTerminal } from './terminal.ts';

/** The commands whose work happens in a process of its own (a test compares this with the table of commands). */
export const runCommands: readonly string[] = ['backup', 'check', 'restore'];

export async function start(argv: readonly string[]): Promise<void> {
  // Starting a process takes longer than reading arguments: both happen at the same time.
  const asksForHelp = argv.includes('--help') || argv.includes('-h');
  const runProcess = runCommands.includes(argv[0] ?? '') && !asksForHelp ? RunProcess.start() : undefined;
  // Warnings of Node and of libraries are for developers.
  if (!process.env.HOLDFAST_DEBUG && !argv.includes('--debug')) process.removeAllListeners('warning');
  const clock = new SystemClock();
  const signals = stopSignals(clock);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => signals.request(name));
  // A run's process, and a node's, are killed by the second request; what works in this one is left where it is.
  if (!runProcess && argv[0] !== 'start') signals.kill.addEventListener('abort', () => process.exit(130));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever read our output has seen enough: `holdfast list | head`.
      if (error.code !== 'EPIPE') throw error;
      if (stream === process.stdout && !runProcess) process.exit(process.exitCode ?? 0);
    });
  }
  const { main } = await import('./main.ts');
  const terminal = processTerminal();
  const options = { terminal, clock, signal: signals.stop, killSignal: signals.kill, runProcess };
  process.exitCode = await main(argv, options);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit();
}

/** Pipes are written asynchronously: leaving before the end would cut the answer. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write('', () => resolve());
  });
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownEnvironment } from './own-environment.ts';
import type { ServerAccount } from './server-account.ts';

export interface ServerProcessOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** Working folder, and HOME of the server. */
  readonly folder: string;
  /** Collects what the server prints; appended to. */
  readonly logFile: string;
  readonly account?: ServerAccount;
  readonly env?: Readonly<Record<string, string>>;
}

// util-linux: lets the kernel signal the server when this process dies in whatever way, kill -9 included.
const setpriv = '/usr/bin/setpriv';
const stopMsMax = 20_000;

/** Servers that still run, with what to remove when this process exits before they were stopped. */
const running = new Map<ChildProcess, string>();

function killAll(): void {
  for (const [child, folder] of running) {
    child.kill('SIGKILL');
    // The backends of a dead server may still be writing; what cannot be removed now is left to the machine.
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * A server as a direct child of this process. Direct, since an orphan whose parent never reaps it stays visible after
 * its death, and the next start on the same folder then believes it is still running.
 */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #options: ServerProcessOptions;
  /** Where the log stood at the start: what is written before that is about an earlier process. */
  readonly #logOffset: number;

  private constructor(child: ChildProcess, options: ServerProcessOptions, logOffset: number) {
    this.#child = child;
    this.#options = options;
    this.#logOffset = logOffset;
  }

  static async spawn(options: ServerProcessOptions): Promise<ServerProcess> {
    const log = await open(options.logFile, 'a');
    try {
      const { size } = await log.stat();
      const tied = existsSync(setpriv);
      const [file, args] = tied
        ? [setpriv, ['--pdeathsig', 'QUIT', '--', options.file, ...options.args]]
        : [options.file, [...options.args]];
      const child = spawn(file, args, {
        cwd: options.folder,
        ...options.account,
        stdio: ['ignore', log.fd, log.fd],
        env: { ...ownEnvironment(), HOME: options.folder, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...options.env },
      });
      if (running.size === 0) process.on('exit', killAll);
      running.set(child, options.folder);
      child.once('exit', () => {
        running.delete(child);
        if (running.size === 0) process.off('exit', killAll);
      });
      await once(child, 'spawn');
      return new ServerProcess(child, options, size);
    } finally {
      await log.close();
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until `ready` says true; fails with the end of the server's log when it exits first or takes too long. */
  async untilReady(ready: () => Promise<boolean>, readyMsMax: number): Promise<void> {
    const deadline = performance.now() + readyMsMax;
    while (!(await ready())) {
      const late = performance.now() > deadline;
      if (late) await this.stop('SIGKILL');
      if (late || !this.isRunning) {
        const log = (await readFile(this.#options.logFile)).subarray(this.#logOffset).toString();
        const what = late ? `was not ready within ${readyMsMax} ms` : 'exited while starting';
        throw new Error(`${this.#options.file} ${what}:\n${log.slice(-2_000)}`);
      }
      await sleep(15);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end; after 20 s it kills. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
    await ended;
    clearTimeout(late);
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HoldfastError } from '@holdfast/core';
import { endingError } from './run-ending.ts';
import type { ChildAnswer, ChildMessage, ParentMessage } from './run-messages.ts';
import type { RunInChildOptions } from './run-parent.ts';
import type { RunReport, RunRequest } from './run-request.ts';

/** How long a run that was told to stop may take to do so. */
const stopMaxMs = 10_000;

/** How much of what a dying process printed is kept, to tell why it died. */
const tailCharactersMax = 8 * 1024;

/** Of MiB: V8's own choice lets short-lived memory grow to several times as much before it looks at it. */
const frugal = ['--max-semi-space-size=4'];
/** glibc gives each thread an arena of its own otherwise, and each keeps what it once had. Measured: 40 MB. */
const mallocArenasMax = '2';
/** Calls of a hung network path keep two threads of this pool each; libuv's own four would soon all hang. */
const ioThreads = '16';
/** A process cannot exit while such a call hangs: once it has answered, it is ended. */
const exitMaxMs = 5_000;

// Beside this file, and of its kind: .ts where sources run as they are, .js where they were built.
const childEntry = fileURLToPath(
  new URL(`./run-child${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);

export interface StartOptions {
  /** The module that the process runs; tests put their own here. */
  readonly entry?: string;
}

/** How a process ended: an exit code, or the signal that ended it; or it never began. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly spawnError?: Error;
}

/** The process of one run. It may be started before its request is known, and ends when disposed. */
export class RunProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ending>;
  #over = false;
  #tail = '';
  #answer: ChildAnswer | undefined;
  #options: RunInChildOptions | undefined;
  readonly #answered = Promise.withResolvers<void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = this.#watch();
    child.on('message', (message) => this.#take(message as ChildMessage));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#tail = (this.#tail + text).slice(-tailCharactersMax);
        this.#options?.output?.(text);
      });
    }
  }

  static start(o: StartOptions = {}): RunProcess {
    const child = fork(o.entry ?? childEntry, [], {
      // Its own process group: Ctrl-C on a terminal reaches the parent alone, which then stops the run in good
      // order; and a kill takes along whatever tools (pg_dump) the run has started.
      detached: true,
      execArgv: [
        ...process.execArgv.filter((argument) => argument.startsWith('--disable-warning')),
        ...frugal,
      ],
      env: { MALLOC_ARENA_MAX: mallocArenasMax, UV_THREADPOOL_SIZE: ioThreads, ...process.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    return new RunProcess(child);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Once per process. */
  async run(request: RunRequest, o: RunInChildOptions): Promise<RunReport> {
    if (this.#options) throw new HoldfastError('internal', 'a run process takes one request only');
    this.#options = o;
    const settled = new AbortController();
    let killed = false;
    const kill = (): void => {
      killed = true;
      this.#kill();
    };
    const stop = (): void => {
      this.#send({ kind: 'abort', reason: HoldfastError.from(o.signal.reason).toRecord() });
      o.clock.sleep(stopMaxMs, settled.signal).then(kill, () => undefined);
    };
    this.#send({ kind: 'run', request });
    void this.#answered.promise.then(() =>
      o.clock.sleep(exitMaxMs, settled.signal).then(
        () => this.#kill(),
        () => undefined,
      ),
    );
    if (o.signal.aborted) stop();
    else o.signal.addEventListener('abort', stop, { once: true });
    if (o.killSignal?.aborted) kill();
    else o.killSignal?.addEventListener('abort', kill, { once: true });
    try {
      const ending = await this.#ended;
      return this.#conclude(ending, killed, o);
    } finally {
      settled.abort();
      o.signal.removeEventListener('abort', stop);
      o.killSignal?.removeEventListener('abort', kill);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) this.#kill();
    await this.#ended;
  }

  #conclude(ending: Ending, killed: boolean, o: RunInChildOptions): RunReport {
    const answer = this.#answer;
    if (answer?.kind === 'done') return answer.report;
    if (answer) {
      const { error, stack } = answer;
      const cause = stack === undefined ? undefined : new RunStack(stack);
      throw new HoldfastError(error.code, error.message, { hint: error.hint, cause });
    }
    // Without an answer it did not end by itself, and may have left tools of its own behind.
    this.#kill();
    throw endingError(ending, {
      tail: this.#tail,
      ...(killed ? { stoppedFor: HoldfastError.from(o.signal.reason ?? o.killSignal?.reason) } : {}),
    });
  }

  #take(message: ChildMessage): void {
    if (message.kind === 'event') this.#options?.observer(message.event);
    else if (message.kind === 'counts') this.#options?.onCounts?.(message.counts);
    else {
      this.#answer ??= message;
      this.#answered.resolve();
    }
  }

  #send(message: ParentMessage): void {
    // A process that is gone already is reported by its ending, not by the message that missed it.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // No such group: it has ended, or the platform has no groups.
      this.#child.kill('SIGKILL');
    }
  }

  /** The last message may come after 'exit': the end is when the channel is closed too. */
  async #watch(): Promise<Ending> {
    const child = this.#child;
    const closed = new Promise<void>((resolve) => child.once('disconnect', resolve));
    const ending = await new Promise<Ending>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', (error) => {
        if (child.pid === undefined) resolve({ code: null, signal: null, spawnError: error });
      });
    });
    if (child.connected) await closed;
    this.#over = true;
    child.stdout?.destroy();
    child.stderr?.destroy();
    return ending;
  }
}

/** What a failed run's process said about where it failed. */
class RunStack extends Error {
  constructor(stack: string) {
    super("in the run's process");
    this.stack = stack;
  }
}

import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LogLine } from '@holdfast/client';
import { isRunId, taskOfRun } from '@holdfast/coordinator';
import type { Clock } from '@holdfast/core';
import { makeFolders } from '@holdfast/uploader';

/** What a run says about itself; a log that grows beyond this says so and ends. */
const bytesMax = 1024 * 1024;

export interface RunLogsOptions {
  readonly folder: string;
  readonly clock: Clock;
  /** Told of each line as it is written. */
  readonly onLine?: (line: LogLine) => void;
}

/** Of one line: tools may print whole pages at once. */
const charactersMax = 3_000;

/** The logs of runs, a file each, on the node that carries them out. */
export class RunLogs {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #onLine: (line: LogLine) => void;

  constructor(o: RunLogsOptions) {
    this.#folder = o.folder;
    this.#clock = o.clock;
    this.#onLine = o.onLine ?? (() => undefined);
  }

  open(run: string): RunLog {
    const about = { run, task: taskOfRun(run) };
    return new RunLog(this.#pathOf(run), this.#clock, (line) => this.#onLine({ ...line, ...about }));
  }

  /** Lines of JSON; undefined when this node has none of it. */
  async read(run: string): Promise<string | undefined> {
    if (!isRunId(run)) return undefined;
    return readFile(this.#pathOf(run), 'utf8').catch(() => undefined);
  }

  async remove(runs: readonly string[]): Promise<void> {
    for (const run of runs) await rm(this.#pathOf(run), { force: true });
  }

  /** Ids of all runs of a task that have a log here. */
  async list(task: string): Promise<readonly string[]> {
    const names = await readdir(join(this.#folder, task)).catch(() => []);
    return names.filter((name) => name.endsWith('.log')).map((name) => name.slice(0, -'.log'.length));
  }

  #pathOf(run: string): string {
    return join(this.#folder, taskOfRun(run), `${run}.log`);
  }
}

/** One run's log. A disk that takes no more of it does not fail the run. */
export class RunLog implements AsyncDisposable {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onLine: (line: LogLine) => void;
  #handle: Promise<FileHandle | undefined> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #bytes = 0;

  constructor(path: string, clock: Clock, onLine: (line: LogLine) => void) {
    this.#path = path;
    this.#clock = clock;
    this.#onLine = onLine;
  }

  write(level: LogLine['level'], said: string): void {
    if (this.#bytes > bytesMax) return;
    const at = new Date(this.#clock.now()).toISOString();
    const text = said.length > charactersMax ? `${said.slice(0, charactersMax)} …` : said;
    this.#onLine({ at, level, text });
    let line = `${JSON.stringify({ at, level, text })}\n`;
    this.#bytes += line.length;
    if (this.#bytes > bytesMax)
      line = `${JSON.stringify({ at, level: 'warn', text: 'the log ends here: it is full' })}\n`;
    this.#last = this.#last.then(async () => {
      this.#handle ??= this.#open();
      await (await this.#handle)?.appendFile(line).catch(() => undefined);
    });
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      await makeFolders(dirname(this.#path), 0o700);
      return await open(this.#path, 'a', 0o600);
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await (await this.#handle)?.close().catch(() => undefined);
  }
}

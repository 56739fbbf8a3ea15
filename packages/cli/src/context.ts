import type { Clock, RunEvent } from '@holdfast/core';
import { type ReportOf, type RunProcess, type RunRequest, runInChild } from '@holdfast/service';
import { ProgressLine, StatusLine } from './progress.ts';
import { type Colors, colorsFor, type Terminal } from './terminal.ts';

/** How a run is carried out; tests put a fake here. */
export type Perform = typeof runInChild;

export interface ContextParts {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
  readonly json: boolean;
  readonly debug: boolean;
  readonly perform?: Perform;
  /** One that was started ahead of the request. */
  readonly runProcess?: RunProcess | undefined;
}

/** What a command works with. */
export class Context {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly colors: Colors;
  readonly #parts: ContextParts;
  readonly #startedAtMs: number;
  readonly #told = new Set<string>();

  constructor(parts: ContextParts) {
    this.#parts = parts;
    this.terminal = parts.terminal;
    this.clock = parts.clock;
    this.signal = parts.signal;
    this.json = parts.json;
    this.colors = colorsFor(parts.terminal.out, parts.terminal.env);
    this.#startedAtMs = parts.clock.elapsed();
  }

  /** The command's answer: `document` with --json, else `words`. */
  answer(document: unknown, words: () => string): void {
    this.terminal.out.write(this.json ? `${JSON.stringify(document, undefined, 2)}\n` : words());
  }

  get elapsedMs(): number {
    return this.clock.elapsed() - this.#startedAtMs;
  }

  /** Aborts when what works here is to end at once. */
  get killSignal(): AbortSignal {
    return this.#parts.killSignal;
  }

  /** On stderr, for work that another process does. */
  statusLine(): StatusLine {
    return new StatusLine({ out: this.terminal.err, clock: this.clock });
  }

  /** Notices that were not printed while the run went on. */
  untold(notices: readonly string[]): readonly string[] {
    return notices.filter((notice) => !this.#told.has(notice));
  }

  /** Carries out a run, showing its progress; with --json in silence. */
  async run<Run extends RunRequest>(request: Run): Promise<ReportOf<Run>> {
    const { perform = runInChild, runProcess, killSignal, debug } = this.#parts;
    const progress = new ProgressLine({ out: this.terminal.err, clock: this.clock });
    const observer = (event: RunEvent): void => {
      if (!this.json) this.#observe(event, progress);
    };
    try {
      return await perform(request, {
        observer,
        signal: this.signal,
        killSignal,
        clock: this.clock,
        ...(debug ? { output: (text: string) => this.terminal.err.write(text) } : {}),
        ...(runProcess ? { process: runProcess } : {}),
      });
    } finally {
      progress.clear();
    }
  }

  #observe(event: RunEvent, progress: ProgressLine): void {
    if (event.kind === 'progress') progress.show(event);
    else if (event.kind === 'notice') {
      this.#told.add(event.text);
      progress.line(`note: ${event.text}`);
    } else if (event.kind === 'step' && this.#parts.debug) {
      progress.line(`step: ${event.step}${event.detail === undefined ? '' : ` ${event.detail}`}`);
    }
  }
}

import type { Clock, RunEvent } from '@holdfast/core';
import type { Out } from './terminal.ts';
import { bytes, counted, duration } from './units.ts';

type Progress = Extract<RunEvent, { kind: 'progress' }>;

const redrawEveryMs = 100;
const lineEveryMs = 5_000;

/** The rate is that of the last seconds, not of the whole run: it is for telling what is left. */
const rateWindowMs = 10_000;
const samplesMax = 200;

const clearLine = '\r\x1b[K';

export interface ProgressOptions {
  readonly out: Out;
  readonly clock: Clock;
}

/** How work is getting on: one line that is redrawn on a terminal, a plain line now and then elsewhere. */
export class StatusLine {
  readonly #out: Out;
  readonly #clock: Clock;
  #shownAtMs: number;
  #drawn = false;

  constructor(o: ProgressOptions) {
    this.#out = o.out;
    this.#clock = o.clock;
    // Short work prints no plain line at all; a terminal shows the first one at once.
    this.#shownAtMs = o.out.isTerminal ? Number.NEGATIVE_INFINITY : o.clock.elapsed();
  }

  /** Asks for the text only when it is time to show it. */
  show(textOf: () => string): void {
    const nowMs = this.#clock.elapsed();
    if (nowMs - this.#shownAtMs < (this.#out.isTerminal ? redrawEveryMs : lineEveryMs)) return;
    this.#shownAtMs = nowMs;
    const text = textOf();
    if (!this.#out.isTerminal) {
      this.#out.write(`${text}\n`);
      return;
    }
    // One column stays free: a full line wraps, and a wrapped line cannot be redrawn.
    this.#out.write(`\r${text.slice(0, Math.max(0, this.#out.columns() - 1))}\x1b[K`);
    this.#drawn = true;
  }

  /** Prints a line of its own, above the progress. */
  line(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  clear(): void {
    if (!this.#drawn) return;
    this.#out.write(clearLine);
    this.#drawn = false;
  }
}

/** Shows how far a run of this command is. */
export class ProgressLine {
  readonly #line: StatusLine;
  readonly #clock: Clock;
  #samples: { readonly atMs: number; readonly doneBytes: number }[] = [];
  #phase: string | undefined;

  constructor(o: ProgressOptions) {
    this.#line = new StatusLine(o);
    this.#clock = o.clock;
  }

  show(progress: Progress): void {
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#samples = [];
    }
    this.#sample(this.#clock.elapsed(), progress.doneBytes);
    // Of what a place thaws, nobody sees a rate: hours of nothing, and then all of it.
    const rate = progress.phase === 'thawing' ? undefined : this.#rate();
    this.#line.show(() => describeProgress(progress, rate));
  }

  line(text: string): void {
    this.#line.line(text);
  }

  clear(): void {
    this.#line.clear();
  }

  #sample(atMs: number, doneBytes: number): void {
    this.#samples.push({ atMs, doneBytes });
    const isOld = (second: { readonly atMs: number } | undefined): boolean =>
      second !== undefined && atMs - second.atMs >= rateWindowMs;
    while (this.#samples.length > samplesMax || isOld(this.#samples[1])) this.#samples.shift();
  }

  /** Bytes per second; undefined while there is too little to tell. */
  #rate(): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last || last.atMs - first.atMs < 1000) return undefined;
    return ((last.doneBytes - first.doneBytes) / (last.atMs - first.atMs)) * 1000;
  }
}

/** `reading  42 %  1.03 GB of 2.40 GB  178 MB/s  1,234,567 rows  8.0 s left` */
export function describeProgress(progress: Progress, rate: number | undefined): string {
  const { phase, doneBytes, totalBytes, rows } = progress;
  const parts = [phase];
  // Rounded down: nothing is whole before it is.
  if (totalBytes > 0)
    parts.push(`${Math.min(100, Math.floor((doneBytes / totalBytes) * 100))} %`.padStart(5));
  parts.push(totalBytes > 0 ? `${bytes(doneBytes)} of ${bytes(totalBytes)}` : bytes(doneBytes));
  if (rate !== undefined) parts.push(`${bytes(rate)}/s`);
  if (rows > 0) parts.push(counted(rows, 'row'));
  const leftBytes = totalBytes - doneBytes;
  if (rate !== undefined && rate > 0 && leftBytes > 0)
    parts.push(`${duration((leftBytes / rate) * 1000)} left`);
  return parts.join('  ');
}

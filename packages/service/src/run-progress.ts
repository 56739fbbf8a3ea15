import { type Clock, isLastWord, type RunEvent, type UploadEvent } from '@holdfast/core';
import { ByteRate } from './run-progress-rate.ts';
import { RunProgressTables, type TablePage } from './run-progress-tables.ts';
import { type DestinationProgress, UploadProgress } from './run-progress-upload.ts';

export interface RunProgressView {
  /** `starting`, `resuming` (an interrupted run is finished first), `reading`, …, `storing` */
  readonly phase: string;
  /**
   * Of all bytes that the run has to move, read and sent to each destination, as far as that is known. Never less than
   * before, except where a run that finished an interrupted one begins its own work; 100 only once it is completed.
   */
  readonly percent: number;
  /** Of what is read (loaded, checked, …); the destinations have their own. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of reading, over the last seconds; 0 also while there is too little to tell. */
  readonly bytesPerSecond: number;
  readonly rows: number;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  readonly estimatedEndMs?: number;
  readonly lastProgressAtMs: number;
  readonly destinations: readonly DestinationProgress[];
}

/** No run has so many; more are not kept. */
const destinationsMax = 1_000;

/** How far a run is, made of its events; of bounded size, however large the run is. */
export class RunProgress {
  readonly #clock: Clock;
  readonly #read: ByteRate;
  readonly #tables: RunProgressTables;
  readonly #uploads = new Map<number, UploadProgress>();
  #phase = 'starting';
  #begun = false;
  #dumped = false;
  #completed = false;
  #doneBytes = 0;
  #totalBytes = 0;
  #rows = 0;
  #tablesDone = 0;
  #tablesTotal = 0;
  #chunksDone = 0;
  #chunksTotal = 0;
  #percent = 0;
  #movedMs: number;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
    this.#read = new ByteRate(clock);
    this.#tables = new RunProgressTables(clock);
    this.#movedMs = clock.elapsed();
  }

  take(event: RunEvent): void {
    switch (event.kind) {
      case 'progress':
        this.#takeProgress(event);
        break;
      case 'plan':
        this.#tablesTotal = event.tablesTotal;
        this.#chunksTotal = event.chunksTotal;
        this.#tables.plan(event);
        break;
      case 'chunks':
        this.#tablesDone = event.tablesDone;
        this.#chunksDone = event.chunksDone;
        this.#tables.take(event);
        break;
      case 'upload':
        this.#takeUpload(event);
        break;
      case 'step':
        if (event.step === 'run-created') this.#begin();
        if (event.step === 'dump-finished') this.#endReading();
        break;
      case 'notice':
        break;
    }
  }

  view(): RunProgressView {
    // What was shown counts: between two events that belong together the truth may be above both.
    this.#percent = Math.max(this.#percent, this.#percentNow());
    const leftMs = this.#leftMs();
    return {
      phase: this.#phase,
      percent: this.#percent,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond: Math.round(this.#read.perSecond()),
      rows: this.#rows,
      tablesDone: this.#tablesDone,
      tablesTotal: this.#tablesTotal,
      chunksDone: this.#chunksDone,
      chunksTotal: this.#chunksTotal,
      ...(leftMs !== undefined && { estimatedEndMs: Math.round(this.#clock.now() + leftMs) }),
      lastProgressAtMs: Math.round(this.#clock.now() - this.#stillMs()),
      destinations: [...this.#uploads]
        .sort(([a], [b]) => a - b)
        .map(([, upload]) => upload.view(upload.leftMs(this.#expectedBytes(upload)))),
    };
  }

  tables(o: { readonly offset: number; readonly limit: number }): TablePage {
    return this.#tables.page(o);
  }

  /** The run has ended well. */
  complete(): void {
    this.#completed = true;
    this.#percent = 100;
    this.#totalBytes = this.#doneBytes;
    // Nothing new was found, and nothing sent.
    for (const [index, { event }] of this.#uploads) if (!isLastWord(event.state)) this.#uploads.delete(index);
  }

  /** Since when no byte was read or sent, if that is so long ago. */
  stuckSinceMs(stallAfterMs: number): number | undefined {
    const stillMs = this.#stillMs();
    return this.#completed || stillMs < stallAfterMs ? undefined : Math.round(this.#clock.now() - stillMs);
  }

  #takeProgress({ phase, doneBytes, totalBytes, rows }: Extract<RunEvent, { kind: 'progress' }>): void {
    const turns = phase !== this.#phase;
    if (turns) {
      this.#phase = phase;
      this.#read.restart();
    } else this.#read.add(Math.max(0, doneBytes - this.#doneBytes));
    if (turns || doneBytes !== this.#doneBytes || rows !== this.#rows) this.#moved();
    this.#doneBytes = doneBytes;
    this.#totalBytes = totalBytes;
    this.#rows = rows;
  }

  #takeUpload(event: UploadEvent): void {
    const upload = this.#uploads.get(event.index);
    if (upload) {
      if (upload.take(event)) this.#moved();
    } else if (this.#uploads.size < destinationsMax)
      this.#uploads.set(event.index, new UploadProgress(event, this.#clock));
    // Before the run has made anything of its own.
    if (!this.#begun && event.totalBytes > 0) {
      this.#phase = 'resuming';
      this.#dumped = true;
    }
  }

  /** What came before was the work of another run, which was interrupted. */
  #begin(): void {
    this.#begun = true;
    this.#dumped = false;
    this.#percent = 0;
    this.#phase = 'starting';
  }

  #endReading(): void {
    this.#dumped = true;
    this.#phase = 'storing';
    this.#totalBytes = this.#doneBytes;
  }

  #moved(): void {
    this.#movedMs = this.#clock.elapsed();
  }

  #stillMs(): number {
    return this.#clock.elapsed() - this.#movedMs;
  }

  /** While changes are read nobody knows how many there are, and the total is what is done. */
  get #totalKnown(): boolean {
    return this.#dumped || this.#totalBytes > this.#doneBytes;
  }

  get #sending(): UploadProgress[] {
    return [...this.#uploads.values()].filter(
      ({ event: { state } }) => state !== 'failed' && state !== 'behind',
    );
  }

  #expectedBytes(upload: UploadProgress): number {
    const o = { readDoneBytes: this.#doneBytes, ended: this.#dumped };
    return upload.expectedBytes(this.#totalBytes, o);
  }

  #percentNow(): number {
    if (!this.#totalKnown) return 0;
    let doneBytes = this.#doneBytes;
    let allBytes = this.#totalBytes;
    for (const upload of this.#sending) {
      doneBytes += upload.event.doneBytes;
      allBytes += this.#expectedBytes(upload);
    }
    return allBytes === 0 ? 0 : Math.min(99, Math.floor((doneBytes / allBytes) * 100));
  }

  /** The slowest part decides: reading, or one destination, once anything is on its way there. */
  #leftMs(): number | undefined {
    if (this.#completed || !this.#totalKnown) return undefined;
    const parts: (number | undefined)[] = [this.#readLeftMs()];
    for (const upload of this.#sending)
      if (upload.event.totalBytes > 0) parts.push(upload.leftMs(this.#expectedBytes(upload)));
    let leftMs = 0;
    for (const part of parts) {
      if (part === undefined) return undefined;
      leftMs = Math.max(leftMs, part);
    }
    return leftMs;
  }

  #readLeftMs(): number | undefined {
    const leftBytes = this.#dumped ? 0 : this.#totalBytes - this.#doneBytes;
    if (leftBytes <= 0) return 0;
    const rate = this.#read.perSecond();
    return rate > 0 ? (leftBytes / rate) * 1000 : undefined;
  }
}

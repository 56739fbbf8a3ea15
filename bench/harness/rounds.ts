import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds } from './cpu.ts';

/** One of the things that are measured beside one another. */
export interface Subject {
  readonly name: string;
  /** One that another tool carries out: when it fails, nothing can be compared and the suite fails. */
  readonly peer?: true;
  /** Makes the state that the run begins in; not timed. */
  readonly before?: () => Promise<void>;
  /** What is timed, from before its first process starts until after its last one has ended. */
  readonly run: () => Promise<unknown>;
  /** Checks the result and throws when it is wrong; not timed. */
  readonly after?: (result: unknown, round: Round) => Promise<Notes | undefined>;
}

export interface Round {
  /** From 1; 0 is the warm-up, which counts for nothing and is the place for expensive checks. */
  readonly number: number;
}

/** Figures besides the time. */
export type Notes = Readonly<Record<string, number>>;

export interface Measurement {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly notes: Readonly<Record<string, readonly number[]>>;
  /** Why there are no figures; it was not tried again. */
  readonly failure?: string;
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly log: (line: string) => void;
  /** Called before each run is timed. */
  readonly settle: () => Promise<void>;
  /** Processes whose children work for the subjects: a server's sessions. */
  readonly servers?: readonly number[];
  /** Without one where no times are compared. */
  readonly warmUp?: boolean;
}

interface Tally {
  readonly subject: Subject;
  readonly seconds: number[];
  readonly notes: Record<string, number[]>;
  failure: string | undefined;
}

/** Runs the subjects in turn, A B C A B C …: once to warm up, then as many rounds as asked for. */
export async function measure(subjects: readonly Subject[], options: RoundsOptions): Promise<Measurement[]> {
  const tallies: Tally[] = subjects.map((subject) => ({
    subject,
    seconds: [],
    notes: {},
    failure: undefined,
  }));
  for (let number = options.warmUp === false ? 1 : 0; number <= options.rounds; number++) {
    for (const tally of tallies.filter(({ failure }) => failure === undefined)) {
      await measureOnce(tally, { number }, options);
    }
  }
  return tallies.map(({ subject, seconds, notes, failure }) => ({
    name: subject.name,
    seconds,
    notes,
    ...(failure === undefined ? {} : { failure }),
  }));
}

async function measureOnce(tally: Tally, round: Round, options: RoundsOptions): Promise<void> {
  const { rounds, log, settle, servers } = options;
  const { subject } = tally;
  const which = round.number === 0 ? 'warm-up' : `round ${round.number}/${rounds}`;
  try {
    await subject.before?.();
    await settle();
    const cpuBefore = cpuSeconds(servers);
    const start = performance.now();
    const result = await subject.run();
    const seconds = (performance.now() - start) / 1000;
    // A server counts its sessions' time a moment after they have ended.
    await sleep(200);
    const cpu = cpuSeconds(servers) - cpuBefore;
    const notes = { 'CPU s': cpu, ...(await subject.after?.(result, round)) };
    log(`${which}  ${subject.name}  ${seconds.toFixed(3)} s, CPU ${cpu.toFixed(2)} s`);
    if (round.number === 0) return;
    tally.seconds.push(seconds);
    for (const [name, value] of Object.entries(notes)) {
      tally.notes[name] ??= [];
      tally.notes[name].push(value);
    }
  } catch (error) {
    if (subject.peer) throw error;
    tally.failure = error instanceof Error ? error.message : String(error);
    log(`${which}  ${subject.name}  failed: ${tally.failure}`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

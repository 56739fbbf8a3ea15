import {
  type AbsentDestination,
  type Clock,
  type Destination,
  HoldfastError,
  type Sig,
  type Staging,
  throwIfAborted,
} from '@holdfast/core';
import { type FoundChain, mergeChains } from '../catalog/chain.ts';
import { findChains } from '../catalog/find-chains.ts';

interface Candidate {
  readonly destination: Destination;
  /** Its place among those of the task. */
  readonly index: number;
}

/** A destination that takes part in a run, and what it holds of the task. */
export interface Place extends Candidate {
  chains: readonly FoundChain[];
}

/** How long a run that has enough destinations waits for the others to answer, which may be trying for minutes. */
const graceMs = 10_000;

export interface SurveyTools {
  readonly clock: Clock;
  readonly destinations: readonly Destination[];
  readonly staging: Staging;
}

export interface SurveyOptions extends Sig {
  readonly task: string;
  readonly neverOn: readonly string[];
}

/**
 * Which of the task's destinations can take part in a run, and what they hold. Each is looked at by itself; one that
 * cannot be reached, or is just being brought up to date by another process, is absent, as long as enough are left.
 */
export class Survey implements AsyncDisposable {
  readonly #tools: SurveyTools;
  readonly #o: SurveyOptions;
  readonly #locks = new AsyncDisposableStack();
  readonly #ready: Candidate[] = [];
  readonly #present: Place[] = [];
  readonly #absent: AbsentDestination[] = [];
  readonly notices: string[] = [];

  private constructor(tools: SurveyTools, options: SurveyOptions) {
    this.#tools = tools;
    this.#o = options;
  }

  /**
   * Proves that the places are there, before anything is made anywhere.
   * @throws HoldfastError what a destination met, when too few are left
   */
  static async prepare(tools: SurveyTools, o: SurveyOptions): Promise<Survey> {
    if (tools.destinations.length === 0)
      throw new HoldfastError('config_invalid', 'a backup needs at least one destination');
    const survey = new Survey(tools, o);
    const all = tools.destinations.map((destination, index) => ({ destination, index }));
    await survey.#enoughOrAll(survey.#ready, (signal) =>
      Promise.all(all.map((one) => survey.#prepare(one, { signal }))),
    );
    survey.#assertEnough(survey.#ready);
    return survey;
  }

  /**
   * Looks at what each holds, and keeps others from writing there until this is disposed.
   * @throws HoldfastError what a destination met, when too few are left
   */
  async look(): Promise<void> {
    const busy: Candidate[] = [];
    await this.#enoughOrAll(this.#present, (signal) =>
      Promise.all(
        this.#ready.map(async (one) => {
          if (!(await this.#enter(one, { signal, wait: false }))) busy.push(one);
        }),
      ),
    );
    // Whoever brings a destination up to date may take hours: only a run that cannot do without it waits.
    for (const one of busy) {
      if (this.#present.length < this.required)
        await this.#enter(one, { signal: this.#o.signal, wait: true });
      else this.#absent.push({ destination: one.destination, error: beingBroughtUp(one.destination) });
    }
    this.#present.sort((a, b) => a.index - b.index);
    this.#assertEnough(this.#present);
  }

  /** In the order of the task. */
  get present(): readonly Place[] {
    return this.#present;
  }

  get absent(): readonly AbsentDestination[] {
    return this.#absent;
  }

  /** How many must hold a backup for it to count. */
  get required(): number {
    return this.#tools.staging.required(this.#tools.destinations.length);
  }

  /** Newest first, each as the healthiest of those that take part has it. */
  get chains(): readonly FoundChain[] {
    const newest = (chain: FoundChain): number => chain.backups.at(-1)?.manifest.to.timeMs ?? 0;
    return mergeChains(this.#present.map(({ chains }) => chains)).sort((a, b) => newest(b) - newest(a));
  }

  /** Whether a chain that is at any destination of the task is among `chains`. */
  get showsAll(): boolean {
    return (
      this.#absent.length === 0 && this.#present.every(({ destination }) => !destination.features.writeOnly)
    );
  }

  /** Looks again at what is held, after something was stored. */
  async refresh(o: Sig): Promise<void> {
    await Promise.all(
      [...this.#present].map(async (place) => {
        place.chains = await this.#chainsAt(place.destination, o);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#locks.disposeAsync();
  }

  #assertEnough(there: readonly unknown[]): void {
    const [first] = this.#absent;
    if (first && there.length < this.required) throw first.error;
  }

  /** Who can be done without is waited for only for a while. */
  async #enoughOrAll(
    there: readonly unknown[],
    act: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    if (this.required === this.#tools.destinations.length) return void (await act(this.#o.signal));
    const tooLate = new AbortController();
    const over = new AbortController();
    const late = (async (): Promise<void> => {
      await this.#tools.clock.sleep(graceMs, over.signal);
      if (there.length >= this.required) tooLate.abort(notInTime());
    })().catch(() => undefined);
    try {
      await act(AbortSignal.any([this.#o.signal, tooLate.signal]));
    } finally {
      over.abort();
      await late;
    }
  }

  async #prepare(one: Candidate, { signal }: Sig): Promise<void> {
    const { destination } = one;
    try {
      this.notices.push(...(await destination.prepare({ signal, neverOn: this.#o.neverOn })));
      this.#ready.push(one);
    } catch (error) {
      this.#leaveOut(destination, error);
    }
  }

  /** False when another process has it. */
  async #enter(one: Candidate, { signal, wait }: Sig & { readonly wait: boolean }): Promise<boolean> {
    const { task } = this.#o;
    const { destination } = one;
    try {
      const lock = await this.#tools.staging.lockDestination(task, destination, { signal, wait });
      if (!lock) return false;
      this.#locks.use(lock);
      this.#present.push({ ...one, chains: await this.#chainsAt(destination, { signal }) });
    } catch (error) {
      this.#leaveOut(destination, error);
    }
    return true;
  }

  #leaveOut(destination: Destination, error: unknown): void {
    throwIfAborted(this.#o.signal);
    this.#absent.push({ destination, error: HoldfastError.from(error) });
  }

  async #chainsAt(destination: Destination, o: Sig): Promise<readonly FoundChain[]> {
    return destination.features.writeOnly ? [] : await findChains(destination, this.#o.task, o);
  }
}

function notInTime(): HoldfastError {
  return new HoldfastError('timeout', `it did not answer within ${graceMs / 1000} seconds`, {
    hint: 'the backup is made without it; holdfast doctor says what is wrong with it',
  });
}

function beingBroughtUp({ description }: Destination): HoldfastError {
  return new HoldfastError('conflict', `${description} is being brought up to date by another process`, {
    hint: 'it gets this backup afterwards',
  });
}

/** A destination that cannot take a chain's next backup before it has those before it. */
export function lagging(destination: Destination, chain: string): AbsentDestination {
  const reason = `${destination.description} does not hold chain ${chain} whole yet`;
  const hint = 'it gets this backup after those before it';
  return { destination, error: new HoldfastError('precondition_failed', reason, { hint }) };
}

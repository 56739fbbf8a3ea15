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

/** A destination that takes part in a run, and what it holds of the task. */
export interface Place {
  readonly destination: Destination;
  /** Its place among those of the task. */
  readonly index: number;
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
  readonly #present: Place[] = [];
  readonly #absent: AbsentDestination[] = [];
  readonly notices: string[] = [];

  private constructor(tools: SurveyTools, options: SurveyOptions) {
    this.#tools = tools;
    this.#o = options;
  }

  /** @throws HoldfastError what a destination met, when too few are left */
  static async take(tools: SurveyTools, o: SurveyOptions): Promise<Survey> {
    if (tools.destinations.length === 0)
      throw new HoldfastError('config_invalid', 'a backup needs at least one destination');
    const survey = new Survey(tools, o);
    try {
      await survey.#look();
      return survey;
    } catch (error) {
      await survey[Symbol.asyncDispose]();
      throw error;
    }
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

  /** One that takes part no more. @throws HoldfastError the error, when too few are left then */
  leave(place: Place, error: HoldfastError): void {
    this.#present.splice(this.#present.indexOf(place), 1);
    this.#absent.push({ destination: place.destination, error });
    if (this.#present.length < this.required) throw error;
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

  async #look(): Promise<void> {
    const { destinations } = this.#tools;
    const all = destinations.map((destination, index) => ({ destination, index }));
    const busy: typeof all = [];
    const tooLate = new AbortController();
    const signal = AbortSignal.any([this.#o.signal, tooLate.signal]);
    const entering = Promise.all(
      all.map(async (one) => {
        if (!(await this.#enter(one, { signal, wait: false }))) busy.push(one);
      }),
    );
    await this.#enoughOrAll(entering, tooLate);
    // Whoever brings a destination up to date may take hours: only a run that cannot do without it waits.
    for (const one of busy) {
      if (this.#present.length < this.required)
        await this.#enter(one, { signal: this.#o.signal, wait: true });
      else this.#absent.push({ destination: one.destination, error: beingBroughtUp(one.destination) });
    }
    this.#present.sort((a, b) => a.index - b.index);
    const [first] = this.#absent;
    if (first && this.#present.length < this.required) throw first.error;
  }

  /** Who can be done without is waited for only for a while. */
  async #enoughOrAll(entering: Promise<unknown>, tooLate: AbortController): Promise<void> {
    if (this.required === this.#tools.destinations.length) return void (await entering);
    const over = new AbortController();
    const late = (async (): Promise<void> => {
      await this.#tools.clock.sleep(graceMs, over.signal);
      if (this.#present.length >= this.required) tooLate.abort(notInTime());
    })().catch(() => undefined);
    try {
      await entering;
    } finally {
      over.abort();
      await late;
    }
  }

  /** False when another process has it. */
  async #enter(
    one: { destination: Destination; index: number },
    { signal, wait }: Sig & { readonly wait: boolean },
  ): Promise<boolean> {
    const { task, neverOn } = this.#o;
    const { destination } = one;
    try {
      const lock = await this.#tools.staging.lockDestination(task, destination, { signal, wait });
      if (!lock) return false;
      this.#locks.use(lock);
      this.notices.push(...(await destination.prepare({ signal, neverOn })));
      this.#present.push({ ...one, chains: await this.#chainsAt(destination, { signal }) });
    } catch (error) {
      throwIfAborted(this.#o.signal);
      this.#absent.push({ destination, error: HoldfastError.from(error) });
    }
    return true;
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

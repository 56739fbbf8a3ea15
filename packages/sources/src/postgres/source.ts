import {
  type ChangeView,
  type Clock,
  type Finding,
  type FrozenView,
  HoldfastError,
  type Mark,
  type OpenFull,
  type OpenIncremental,
  type OpenTarget,
  type RestoreTarget,
  type Sig,
  type Source,
  type SourceFeatures,
  type SourceInfo,
} from '@holdfast/core';
import { openChanges } from './changes/change-view.ts';
import { acknowledgeChanges, forgetAll, forgetChanges } from './changes/upkeep.ts';
import { inspect } from './full/inspect.ts';
import { openFull } from './full/open-full.ts';
import { openTarget } from './restore/target.ts';
import { describeTarget, type Target } from './session/url.ts';

/** A PostgreSQL database. Holds nothing open between calls: each has sessions of its own. */
export class PostgresSource implements Source {
  readonly type = 'postgres';
  readonly features: SourceFeatures = { types: ['logical'], pointInTime: true };
  readonly description: string;
  readonly #target: Target;
  readonly #clock: Clock;

  constructor(target: Target, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.description = describeTarget(target);
  }

  inspect(o: Sig): Promise<SourceInfo> {
    return inspect(this.#target, o);
  }

  openFull(o: Sig & OpenFull): Promise<FrozenView> {
    return openFull(this.#target, { ...o, clock: this.#clock });
  }

  openIncremental(o: Sig & OpenIncremental): Promise<ChangeView> {
    const { keepChangesMaxBytes } = this.#target;
    return openChanges(this.#target, { ...o, clock: this.#clock, keepChangesMaxBytes });
  }

  acknowledge(o: Sig & { readonly state: unknown; readonly mark: Mark }): Promise<void> {
    return acknowledgeChanges(this.#target, { ...o, clock: this.#clock });
  }

  forgetChanges(o: Sig & ({ readonly label: string } | { readonly state: unknown })): Promise<void> {
    return forgetChanges(this.#target, { ...o, clock: this.#clock });
  }

  /** Slots are made by full backups; there is nothing to make before. */
  async prepare(_o: Sig): Promise<readonly string[]> {
    return [];
  }

  forget(o: Sig): Promise<readonly string[]> {
    return forgetAll(this.#target, { ...o, clock: this.#clock });
  }

  diagnose(_o: Sig): Promise<readonly Finding[]> {
    return notYet('doctor');
  }

  openTarget(o: Sig & OpenTarget): Promise<RestoreTarget> {
    return openTarget(this.#target, { ...o, clock: this.#clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function notYet(what: string): Promise<never> {
  return Promise.reject(new HoldfastError('unsupported', `${what} of PostgreSQL are not there yet`));
}

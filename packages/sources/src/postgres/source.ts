import type {
  ChangeView,
  Clock,
  Finding,
  FrozenView,
  Mark,
  OpenFull,
  OpenIncremental,
  OpenTarget,
  RestoreTarget,
  Sig,
  Source,
  SourceFeatures,
  SourceInfo,
} from '@holdfast/core';
import { openChanges } from './changes/change-view.ts';
import { type ChangeState, parseState } from './changes/state.ts';
import { acknowledgeChanges, forgetAll, forgetChanges, prepareChanges } from './changes/upkeep.ts';
import { diagnose } from './doctor/diagnose.ts';
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
  /** Of the database that the run has begun with. */
  #identity: string | undefined;
  /** The state of the first chain that the run has tried to continue: the newest one comes first. */
  #newest: ChangeState | undefined;

  constructor(target: Target, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.description = describeTarget(target);
  }

  async inspect(o: Sig): Promise<SourceInfo> {
    const info = await inspect(this.#target, o);
    this.#identity = info.identity;
    this.#newest = undefined;
    return info;
  }

  openFull(o: Sig & OpenFull): Promise<FrozenView> {
    return openFull(this.#target, { ...o, clock: this.#clock, identity: this.#identity });
  }

  async openIncremental(o: Sig & OpenIncremental): Promise<ChangeView> {
    const { keepChangesMaxBytes } = this.#target;
    const state = parseState(o.state);
    if (state.identity === this.#identity) this.#newest ??= state;
    const newest = this.#newest;
    return openChanges(this.#target, { ...o, clock: this.#clock, keepChangesMaxBytes, newest });
  }

  acknowledge(o: Sig & { readonly state: unknown; readonly mark: Mark }): Promise<void> {
    return acknowledgeChanges(this.#target, { ...o, clock: this.#clock });
  }

  forgetChanges(o: Sig & ({ readonly label: string } | { readonly state: unknown })): Promise<void> {
    return forgetChanges(this.#target, { ...o, clock: this.#clock });
  }

  async prepare(_o: Sig): Promise<readonly string[]> {
    return prepareChanges();
  }

  forget(o: Sig): Promise<readonly string[]> {
    return forgetAll(this.#target, { ...o, clock: this.#clock });
  }

  diagnose(o: Sig): Promise<readonly Finding[]> {
    return diagnose(this.#target, o);
  }

  openTarget(o: Sig & OpenTarget): Promise<RestoreTarget> {
    return openTarget(this.#target, { ...o, clock: this.#clock });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

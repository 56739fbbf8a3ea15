import {
  abortError,
  type ColdStorage,
  type Destination,
  HoldfastError,
  type ObjectAccess,
  type Sig,
} from '@holdfast/core';
import type { ColdSegment, ThawReport, ThawRequest, Tools } from '../api.ts';
import { atMost } from './at-most.ts';
import { lookAtCold } from './look-at-cold.ts';
import { assertThaws, slowest } from './refusal.ts';
import { hoursText, volumeOf, volumeText } from './volume.ts';

const asksMax = 8;
const waitFirstMs = 30_000;
const waitMaxMs = 5 * 60_000;
const waitGrowth = 1.5;

const grown = (waitMs: number): number =>
  Math.min(waitMaxMs, Math.max(waitFirstMs, Math.round(waitMs * waitGrowth)));
/** A place that answers no question so many times one after another is not merely busy. */
const failuresMax = 10;

export interface ThawTools extends Pick<Tools, 'clock' | 'observer'> {
  readonly destination: Destination;
}

/**
 * Asks for everything that is cold, and unless told otherwise waits until all of it can be read. Only asks for what is
 * cold when it looks: whoever was stopped calls it again, and it goes on where things stand.
 *
 * @returns what stands how; when it waited, all is thawed
 * @throws HoldfastError as `assertThaws` before anything is asked for; `cancelled` on the signal; what the destination
 *   meets, for a wait only when it goes on meeting it
 */
export async function thaw(
  segments: readonly ColdSegment[],
  request: ThawRequest,
  tools: ThawTools,
  o: Sig,
): Promise<ThawReport> {
  const { cold } = tools.destination;
  if (!cold)
    throw new HoldfastError('unsupported', `${tools.destination.description} cannot thaw what it stores`);
  assertThaws(
    segments.filter(({ access }) => access === 'cold'),
    cold.ways,
    request,
  );
  const thawing = new Thawing(segments, { ...tools, request, cold });
  try {
    await thawing.run(o);
    return thawing.report();
  } catch (error) {
    throw told(error, thawing, o);
  }
}

/** Whoever stops it, or is stopped by a failure, has paid for what was asked for. */
function told(error: unknown, thawing: Thawing, o: Sig): HoldfastError {
  const failure = o.signal.aborted ? abortError(o.signal) : HoldfastError.from(error);
  if (!thawing.hasBegun) return failure;
  return new HoldfastError(failure.code, failure.reason, {
    cause: error,
    hint: [
      ...(failure.hint === undefined ? [] : [failure.hint]),
      'what was asked for goes on being thawed: run the same command again, and it goes on from there',
    ].join('; '),
  });
}

class Thawing {
  readonly #o: ThawTools & { readonly request: ThawRequest; readonly cold: ColdStorage };
  /** As they were when they were last looked at. */
  readonly #segments: Map<string, ColdSegment>;
  readonly #asked = new Set<string>();
  readonly #slowestMs: number;
  /** Since when the last thing that is waited for has been thawing, at the latest. */
  #askedMs: number;
  #readyByMs = 0;
  #isLate = false;

  constructor(
    segments: readonly ColdSegment[],
    o: ThawTools & { readonly request: ThawRequest; readonly cold: ColdStorage },
  ) {
    this.#o = o;
    this.#segments = new Map(segments.map((segment) => [segment.key, segment]));
    this.#askedMs = o.clock.elapsed();
    const awaited = segments.filter(({ access }) => access !== 'thawed');
    this.#slowestMs = slowest(awaited, o.cold.ways, o.request.tier);
  }

  get hasBegun(): boolean {
    return this.#asked.size > 0 || this.#standing('thawing').length > 0;
  }

  async run(o: Sig): Promise<void> {
    const { clock, request } = this.#o;
    let failures = 0;
    for (let waitMs = 0; ; waitMs = grown(waitMs)) {
      try {
        if (waitMs > 0) {
          await clock.sleep(waitMs, o.signal);
          await this.#lookAgain(o);
        }
        await this.#ask(o);
        failures = 0;
      } catch (error) {
        this.#endUnlessPassing(error, ++failures, o);
        continue;
      }
      this.#tell();
      if (!request.wait || this.#isThawed) return;
    }
  }

  report(): ThawReport {
    const { tier, days } = this.#o.request;
    const thawing = this.#standing('thawing');
    const asked = thawing.filter(({ key }) => this.#asked.has(key));
    return {
      tier,
      days,
      asked: volumeOf(asked),
      thawing: volumeOf(thawing.filter(({ key }) => !this.#asked.has(key))),
      thawed: volumeOf(this.#standing('thawed')),
      ...(asked.length > 0 && { readyByMs: this.#readyByMs }),
    };
  }

  async #ask(o: Sig): Promise<void> {
    const { clock, request, cold } = this.#o;
    const { tier, days } = request;
    await atMost(asksMax, this.#standing('cold'), async (segment) => {
      await cold.thaw(segment.key, { ...o, tier, days });
      this.#asked.add(segment.key);
      this.#segments.set(segment.key, { ...segment, access: 'thawing' });
      this.#askedMs = clock.elapsed();
      this.#readyByMs = clock.now() + this.#slowestMs;
    });
  }

  async #lookAgain(o: Sig): Promise<void> {
    await this.#look([...this.#standing('thawing'), ...this.#standing('cold')], o);
    if (!this.#isThawed) return;
    // What was thawed first may have gone cold while the last was waited for.
    await this.#look([...this.#segments.values()], o);
    const again = this.#standing('cold');
    if (again.length > 0)
      this.#notice(
        `cold again before the rest was thawed, and asked for again: ${volumeText(volumeOf(again))}`,
      );
  }

  async #look(segments: readonly ColdSegment[], o: Sig): Promise<void> {
    const found = await lookAtCold(this.#o.destination, segments, o);
    const access = new Map(found.map((segment) => [segment.key, segment.access]));
    // What is in no cold storage any more can be read, and stays so.
    for (const segment of segments)
      this.#segments.set(segment.key, { ...segment, access: access.get(segment.key) ?? 'thawed' });
  }

  #endUnlessPassing(error: unknown, failures: number, o: Sig): void {
    const failure = HoldfastError.from(error);
    if (o.signal.aborted || !this.#o.request.wait || !failure.retryable || failures >= failuresMax)
      throw error;
    if (failures === 1)
      this.#notice(`while waiting for what is thawed: ${failure.message}; it is tried again`);
  }

  #tell(): void {
    const { clock, observer } = this.#o;
    observer({
      kind: 'progress',
      phase: 'thawing',
      doneBytes: volumeOf(this.#standing('thawed')).bytes,
      totalBytes: volumeOf([...this.#segments.values()]).bytes,
      rows: 0,
    });
    // Zero: all of it was asked for before, in ways that are not known here.
    if (this.#isLate || this.#isThawed || this.#slowestMs === 0) return;
    if (clock.elapsed() - this.#askedMs <= this.#slowestMs) return;
    this.#isLate = true;
    this.#notice(
      `thawing takes longer than it should (${hoursText(this.#slowestMs)} at most); it is still waited for`,
    );
  }

  get #isThawed(): boolean {
    return this.#standing('thawed').length === this.#segments.size;
  }

  #standing(access: ObjectAccess): ColdSegment[] {
    return [...this.#segments.values()].filter((segment) => segment.access === access);
  }

  #notice(text: string): void {
    this.#o.observer({ kind: 'notice', text });
  }
}

/** A stretch of time during which a zone's wall clock runs evenly: from `startMs` until before `endMs`. */
export interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
  /** What is added to UTC to get the wall time. */
  readonly offsetMs: number;
  /** By how much the wall clock was put forward (or, negative, back) at its start. */
  readonly shiftMs: number;
}

const zones = new Map<string, Zone>();

/** The zone of an IANA name that `assertTimezone` accepts. Zones are kept: what they have learnt does not change. */
export function zoneOf(timezone: string): Zone {
  let zone = zones.get(timezone);
  if (zone === undefined) {
    zone = new Zone(timezone);
    zones.set(timezone, zone);
  }
  return zone;
}

/**
 * The offset changes of a time zone, asked of Temporal once each. Between two of them wall time is UTC plus a number,
 * so that the arithmetic of occurrences is addition.
 */
export class Zone {
  readonly name: string;
  /** Without a gap, in order; grows at both ends as far as anybody asks. */
  readonly #stretches: Stretch[] = [];
  #lastIndex = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The stretch in which a moment lies. */
  at(ms: number): Stretch {
    const recent = this.#stretches[this.#lastIndex];
    if (recent && recent.startMs <= ms && ms < recent.endMs) return recent;
    if (this.#stretches.length === 0) this.#stretches.push(this.#read(ms));
    for (let first = this.#first(); ms < first.startMs; first = this.#first())
      this.#stretches.unshift(this.#read(first.startMs - 1));
    for (let last = this.#last(); ms >= last.endMs; last = this.#last())
      this.#stretches.push(this.#read(last.endMs));
    let low = 0;
    let high = this.#stretches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#stretches[middle] as Stretch).startMs <= ms) low = middle;
      else high = middle - 1;
    }
    this.#lastIndex = low;
    return this.#stretches[low] as Stretch;
  }

  /** The wall time of a moment, as the milliseconds that it would be in UTC. */
  wall(ms: number): number {
    return ms + this.at(ms).offsetMs;
  }

  /** For people: `2026-10-25 02:00:00 +01:00`. */
  say(ms: number): string {
    const { offsetMs } = this.at(ms);
    const minutes = Math.abs(Math.round(offsetMs / 60_000));
    const two = (value: number): string => String(value).padStart(2, '0');
    const offset = `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
    return `${new Date(ms + offsetMs).toISOString().slice(0, 19).replace('T', ' ')} ${offset}`;
  }

  #first(): Stretch {
    return this.#stretches[0] as Stretch;
  }

  #last(): Stretch {
    return this.#stretches.at(-1) as Stretch;
  }

  #read(ms: number): Stretch {
    const moment = zoned(ms, this.name);
    const end = moment.getTimeZoneTransition('next');
    // The question is about changes before a moment, and one at this very moment is the start of its stretch.
    const start = zoned(ms + 1, this.name).getTimeZoneTransition('previous');
    const offsetMs = moment.offsetNanoseconds / 1e6;
    const before = start === null ? offsetMs : start.subtract({ nanoseconds: 1 }).offsetNanoseconds / 1e6;
    return {
      startMs: start === null ? Number.NEGATIVE_INFINITY : start.epochMilliseconds,
      endMs: end === null ? Number.POSITIVE_INFINITY : end.epochMilliseconds,
      offsetMs,
      shiftMs: offsetMs - before,
    };
  }
}

function zoned(ms: number, timezone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone);
}

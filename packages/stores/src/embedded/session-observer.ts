import type { SessionRow } from './database-calls.ts';

interface Seen extends SessionRow {
  /** By this process's monotonic clock, when this beat was first seen. */
  readonly atMs: number;
}

/**
 * The observer waits this much longer than the owner, of the time to live: timers fire late, and an owner whose timer
 * is late by less than this still stops before anybody acts in its place.
 */
const patience = 0.1;

/**
 * Which sessions have been silent for too long, as this process sees them: it compares its own clock with itself only,
 * never with a time that another process wrote.
 *
 * Why nobody's entries go while the owner believes to be alive: the owner counts its time to live from the *start* of
 * its last beat that succeeded, by its clock; we count from when we have *read* that beat, which is later than its
 * start. Both clocks run at one pace, since one file means one machine. So our time is up after the owner's. And if
 * the owner beats at the last moment, then either that transaction comes first, and ours, which demands the beat
 * that we saw, does nothing; or ours comes first, and the owner's finds no session, at a time when the owner's time
 * since its last success is up by its own clock.
 */
export class SessionObserver {
  #seen = new Map<string, Seen>();

  /** All sessions as just read. `nowMs` has to be taken after reading. */
  take(rows: readonly SessionRow[], nowMs: number): void {
    this.#seen = new Map(
      rows.map((row) => {
        const before = this.#seen.get(row.id);
        return [row.id, before?.beat === row.beat ? before : { ...row, atMs: nowMs }];
      }),
    );
  }

  /** Whose beat has not changed for too long. */
  silent(nowMs: number): readonly SessionRow[] {
    return [...this.#seen.values()].filter(({ ttlMs, atMs }) => nowMs - atMs >= (1 + patience) * ttlMs);
  }

  forget(id: string): void {
    this.#seen.delete(id);
  }

  /** The shortest time to live that is observed. */
  get shortestMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#seen.values()].map(({ ttlMs }) => ttlMs));
  }
}

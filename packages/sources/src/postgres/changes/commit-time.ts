import type { LineWriter } from './line-writer.ts';
import { startsWith } from './tuple.ts';

const form =
  /^\(at (\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-]\d\d)(?::(\d\d))?(?::(\d\d))?\)$/;
const newline = 0x0a;
const quote = 0x22;
const point = 0x2e;
/** `+00)"`: the session's time zone is UTC. */
const tail = new TextEncoder().encode('+00)"');

/**
 * The time in `(at 2026-11-20 14:00:00.123456+00)`, in milliseconds since 1970 with the microseconds behind the point:
 * two commits of one millisecond keep their order. Undefined when the text is not of that form.
 */
export function commitTimeMs(text: string): number | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const wholeMs = Date.UTC(part(1), part(2) - 1, part(3), part(4), part(5), part(6));
  const sign = match[8]?.startsWith('-') ? -1 : 1;
  const offsetMs = sign * ((Math.abs(part(8)) * 60 + part(9)) * 60 + part(10)) * 1000;
  const micros = Number((match[7] ?? '').padEnd(6, '0'));
  return ((wholeMs - offsetMs) * 1000 + micros) / 1000;
}

/** Reads and writes times of commits. Consecutive ones mostly lie in one minute, whose start is remembered. */
export class CommitClock {
  /** `(at 2026-11-20 14:00:` of a commit before, and what it stands for. */
  #minute: Uint8Array = new Uint8Array(0);
  #minuteMs = Number.NaN;
  #wholeMs = Number.NaN;
  /** Behind the millisecond. */
  #micros = 0;

  /** `at` is where the parenthesis opens. False: it is no time that can be read. */
  read(line: Buffer, at: number): boolean {
    if (this.#minute.length > 0 && startsWith(line, at, this.#minute) && this.#quick(line, at)) return true;
    let end = at;
    while (line[end] !== quote && line[end] !== newline) end++;
    const text = line.toString('latin1', at, end);
    const timeMs = commitTimeMs(text);
    if (timeMs === undefined) return false;
    this.#wholeMs = Math.floor(timeMs);
    this.#micros = Math.round((timeMs - this.#wholeMs) * 1000);
    // Times of another zone or before 1970 would need more care than they are worth.
    const minuteEnd = text.endsWith('+00)') ? text.lastIndexOf(':') + 1 : 0;
    this.#minute = Uint8Array.from(line.subarray(at, at + minuteEnd));
    this.#minuteMs = Math.floor(timeMs / 60_000) * 60_000;
    return true;
  }

  /** The time that was read last; NaN before the first. */
  get timeMs(): number {
    return (this.#wholeMs * 1000 + this.#micros) / 1000;
  }

  /** Writes the time that was read last. */
  write(out: LineWriter): void {
    out.ascii(String(this.#wholeMs));
    if (this.#micros === 0) return;
    out.byte(point);
    out.ascii(String(this.#micros).padStart(3, '0'));
  }

  #quick(line: Buffer, from: number): boolean {
    let at = from + this.#minute.length;
    const seconds = ((line[at] as number) - 0x30) * 10 + ((line[at + 1] as number) - 0x30);
    at += 2;
    let micros = 0;
    if (line[at] === point) {
      let scale = 100_000;
      at++;
      for (let byte = line[at] as number; byte >= 0x30 && byte <= 0x39; byte = line[++at] as number) {
        micros += (byte - 0x30) * scale;
        scale /= 10;
      }
    }
    if (!startsWith(line, at, tail)) return false;
    this.#wholeMs = this.#minuteMs + seconds * 1000 + Math.floor(micros / 1000);
    this.#micros = micros % 1000;
    return true;
  }
}

/** A value of a generated row. Booleans, times and JSON come as text, as the database would read them. */
export type Value = string | number | null;

/** Full scale is 1: a bit more than 1 GB of COPY text. */
export interface Counts {
  /** 100 000 accounts each. */
  readonly pgbenchScale: number;
  readonly documents: number;
  readonly measurements: number;
  readonly devices: number;
}

export function countsOf(factor: number): Counts {
  return {
    pgbenchScale: Math.max(1, Math.round(50 * factor)),
    documents: Math.round(1_000_000 * factor),
    measurements: Math.round(1_500_000 * factor),
    devices: Math.max(10, Math.round(1_000 * factor)),
  };
}

/** The same numbers from the same seed, so that data made twice is the same (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= x < 2^32. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.bits() % limit;
  }

  /** 0 <= x < 1, small ones far more often: how often the words of a language are used. */
  skewed(): number {
    return (this.bits() / 2 ** 32) ** 3;
  }

  /** Eight digits for each of the numbers. */
  hex(numbers: number): string {
    let digits = '';
    for (let n = 0; n < numbers; n++) digits += this.bits().toString(16).padStart(8, '0');
    return digits;
  }
}

const syllables = 'ba ko ri ten ma lu ver sin do ga pe shi or al net fi za un ta ler'.split(' ');

const words = Array.from({ length: 4_000 }, (_, rank) => {
  let word = syllables[rank % 20] ?? '';
  // Frequent words are short ones.
  for (let rest = Math.floor(rank / 20); rest > 0; rest = Math.floor(rest / 20)) word += syllables[rest % 20];
  if (rank % 97 === 0) return `${word}ß`;
  return rank % 61 === 0 ? `${word}é` : word;
});

function prose(random: Random, length: number): string {
  let line = '';
  for (let n = 0; n < length; n++) {
    // What text formats have to escape occurs in real text as well, if not often.
    const separator = random.below(60);
    if (n > 0)
      line +=
        separator === 0
          ? '\n'
          : separator === 1
            ? ', "'
            : separator === 2
              ? '\t'
              : separator === 3
                ? '\\'
                : ' ';
    line += words[Math.floor(random.skewed() * words.length)];
  }
  return line;
}

const firstMomentMs = Date.UTC(2024, 0, 1);

/** PostgreSQL's own form, microseconds included. */
function moment(random: Random, id: number): string {
  const text = new Date(firstMomentMs + id * 31_000 + random.below(30_000)).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)}${String(random.below(1000)).padStart(3, '0')}+00`;
}

export const documentColumns = ['id', 'author', 'title', 'body', 'doc', 'rating', 'created_at'] as const;

/** Text and JSON, as an application's content is. */
export function* documents(count: number): Generator<Value[]> {
  const random = new Random(1);
  for (let id = 1; id <= count; id++) {
    const tags = Array.from({ length: random.below(4) }, () => prose(random, 1));
    const doc = {
      lang: ['en', 'de', 'fr', 'ja'][random.below(4)],
      tags,
      views: random.below(100_000),
      draft: random.below(10) === 0,
      ref: random.hex(1),
    };
    yield [
      id,
      1 + Math.floor(random.skewed() * 5_000),
      prose(random, 3 + random.below(6)),
      prose(random, 12 + random.below(25)),
      JSON.stringify(doc),
      random.below(3) === 0 ? null : random.below(50) / 10,
      moment(random, id),
    ];
  }
}

export const measurementColumns = [
  'id',
  'device',
  'digest',
  'amount',
  'level',
  'at',
  'payload',
  'note',
] as const;

/** What hardly compresses: digests, amounts, moments. */
export function* measurements(count: number, devices: number): Generator<Value[]> {
  const random = new Random(2);
  for (let id = 1; id <= count; id++) {
    const amount = `${random.below(1_000_000)}.${String(random.below(1_000_000)).padStart(6, '0')}`;
    const payload = { seq: random.below(65_536), key: random.hex(2), t: random.below(4_000) / 100, ok: true };
    yield [
      id,
      1 + random.below(devices),
      random.hex(4),
      random.below(2) === 0 ? amount : `-${amount}`,
      random.bits() / 4096,
      moment(random, id),
      JSON.stringify(payload),
      random.below(20) === 0 ? prose(random, 4) : null,
    ];
  }
}

export const deviceColumns = ['id', 'name', 'serial'] as const;

export function* devices(count: number): Generator<Value[]> {
  const random = new Random(3);
  for (let id = 1; id <= count; id++) yield [id, prose(random, 2), random.hex(4)];
}

const pieceLength = 256 * 1024;

/** Rows in the text form that COPY reads, in pieces of a good size for a pipe. */
export function* copyText(rows: Iterable<Value[]>): Generator<string> {
  let piece = '';
  for (const row of rows) {
    piece += `${row.map(copyValue).join('\t')}\n`;
    if (piece.length >= pieceLength) {
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyValue(value: Value): string {
  if (value === null) return '\\N';
  return String(value).replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? character);
}

import { copyStream } from '../backend-stream.reference.ts';
import { copyToJsonReference } from '../copy-to-json.reference.ts';
import { CopyToJson } from '../copy-to-json.ts';
import { jsonToCopyReference } from '../json-to-copy.reference.ts';
import { JsonToCopy } from '../json-to-copy.ts';

/**
 * How fast the two codecs are, in MB of their input per second, best of what fits into half a second each: by kind of
 * row, and beside the plain JavaScript that tests compare them with. `node bench/codec.ts`, about 20 seconds.
 */
const sampleBytes = 6_000_000;
const spanMs = 500;

/** The same rows at every run: a measurement that is to be compared must not change by itself. */
let seed = 1;
function random(below: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor(((seed >>> 8) / 0x1000000) * below);
}
const hex = (digits: number): string =>
  Array.from({ length: digits }, () => random(16).toString(16)).join('');

const kinds: Record<string, () => string[]> = {
  pgbench: () => [`${random(1e6)}`, `${random(50)}`, '0', ' '.repeat(84)],
  orders: () => [
    `${random(1e8)}`,
    `${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}`,
    `2026-03-0${random(9)} 12:34:56.${random(1e6)}+00`,
    (random(1e5) / 100).toFixed(2),
    random(10) < 3 ? '\\N' : `some text ${hex(random(60))}`,
    'f',
    'pending',
  ],
  jsonb: () => [`${random(1e8)}`, JSON.stringify({ id: random(1e6), name: hex(10), tags: [hex(4), hex(5)] })],
  narrow: () => [`${random(1e6)}`, `${random(50)}`, `${random(1000)}`],
  wide: () => Array.from({ length: 40 }, () => (random(10) < 2 ? '\\N' : `${random(1e5)}`)),
  bytea: () => ['1', `\\\\x${hex(2000)}`],
};

function best(bytes: number, once: () => void): string {
  let fastest = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  do {
    const from = performance.now();
    once();
    fastest = Math.min(fastest, performance.now() - from);
  } while (performance.now() - begin < spanMs);
  return (bytes / fastest / 1e3).toFixed(0).padStart(8);
}

function feed(codec: { input: Uint8Array }, bytes: Uint8Array, each: (n: number) => void): void {
  for (let at = 0; at < bytes.length; at += codec.input.length) {
    const piece = bytes.subarray(at, at + codec.input.length);
    codec.input.set(piece);
    each(piece.length);
  }
}

console.log('kind      bytes/row  copy->json  reference  json->copy  reference   (MB/s)');
for (const [kind, row] of Object.entries(kinds)) {
  const columns = row().length;
  const rows: string[] = [];
  for (let bytes = 0; bytes < sampleBytes; bytes += rows.at(-1)?.length ?? 0)
    rows.push(`${row().join('\t')}\n`);
  const stream = copyStream(rows, columns);
  const text = rows.join('');
  const json = copyToJsonReference(text, columns);
  const jsonBytes = new TextEncoder().encode(json);
  const there = new CopyToJson();
  const back = new JsonToCopy();
  const results = [
    best(stream.length, () => {
      feed(there, stream, (n) => {
        there.scan(n);
        if (there.due) there.release();
      });
      there.release();
    }),
    best(text.length, () => copyToJsonReference(text, columns)),
    best(jsonBytes.length, () => {
      back.reset({ columns });
      feed(back, jsonBytes, (n) => {
        back.convert(n);
        if (back.due) back.release();
      });
      back.end();
      back.release();
    }),
    best(json.length, () => jsonToCopyReference(json, columns)),
  ];
  console.log(kind.padEnd(9), (text.length / rows.length).toFixed(0).padStart(9), results.join('   '));
}

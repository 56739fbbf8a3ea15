import { FakeClock } from '@holdfast/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readEvents, type SentEvent } from './read-events.ts';
import { splitLines } from './split-lines.ts';

/** The text, in parts cut at these places, even inside a character. */
function stream(text: string, cuts: readonly number[]): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return ReadableStream.from(places.slice(1).map((end, index) => bytes.slice(places[index], end)));
}

function lines(text: string, cuts: readonly number[] = []): AsyncGenerator<string, void, void> {
  const signal = new AbortController().signal;
  return splitLines(stream(text, cuts), { clock: new FakeClock(), silenceMs: 1, server: 'it', signal });
}

it('lines are the same however they arrive', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'ö', '…', '🦑', ' ') });
  const ends = fc.constantFrom('\n', '\r\n', '\r');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(word, ends)), fc.array(fc.nat(500)), async (made, cuts) => {
      const text = made.map(([line, end]) => `${line}${end}`).join('');
      const whole = text.split(/\r\n|\n|\r/).slice(0, -1);
      expect(await Array.fromAsync(lines(text, cuts))).toEqual(whole);
    }),
  );
});

it('a last line without an end is a line', async () => {
  expect(await Array.fromAsync(lines('a\nb'))).toEqual(['a', 'b']);
});

it.each<[string, SentEvent[]]>([
  ['id: 7\nevent: run\ndata: {}\n\n', [{ id: '7', name: 'run', data: '{}' }]],
  ['data: a\ndata:b\ndata\n\n', [{ id: '', name: 'message', data: 'a\nb\n' }]],
  [': comment\n\nretry: 3\n\nevent: x\n\n', []],
  [
    'id: 1\ndata: a\n\ndata: b\n\n',
    [
      { id: '1', name: 'message', data: 'a' },
      { id: '1', name: 'message', data: 'b' },
    ],
  ],
  ['event: run\ndata: cut off', []],
  ['data: a:b: c\n\n', [{ id: '', name: 'message', data: 'a:b: c' }]],
])('%j are the events that the standard says', async (text, events) => {
  expect(await Array.fromAsync(readEvents(lines(text)))).toEqual(events);
});

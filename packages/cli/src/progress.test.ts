import type { Clock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { describeProgress, ProgressLine } from './progress.ts';

const progress = {
  kind: 'progress',
  phase: 'reading',
  doneBytes: 42e7,
  totalBytes: 1e9,
  rows: 1234,
} as const;

function setUp(isTerminal: boolean, columns = 80) {
  let nowMs = 0;
  const clock: Clock = { now: () => 0, elapsed: () => nowMs, sleep: () => Promise.resolve() };
  const written: string[] = [];
  const out = { isTerminal, columns: () => columns, write: (text: string) => void written.push(text) };
  const line = new ProgressLine({ out, clock });
  const at = (ms: number, doneBytes: number): void => {
    nowMs = ms;
    line.show({ ...progress, doneBytes });
  };
  return { line, at, written };
}

describe('progress on a terminal', () => {
  it('is one line, redrawn ten times a second at most, and cleared at the end', () => {
    const { line, at, written } = setUp(true);
    for (let ms = 0; ms < 1000; ms += 10) at(ms, ms);
    line.clear();
    line.clear();
    expect(written).toHaveLength(11);
    expect(written.at(-1)).toBe('\r\x1b[K');
    expect(written.join('')).not.toContain('\n');
  });

  it('never fills the last column', () => {
    const { at, written } = setUp(true, 20);
    at(0, 1);
    expect(written[0]?.replace('\r', '').replace('\x1b[K', '')).toHaveLength(19);
  });

  it('makes way for a line of its own', () => {
    const { line, at, written } = setUp(true);
    at(0, 1);
    line.line('note: hello');
    expect(written.slice(1)).toEqual(['\r\x1b[K', 'note: hello\n']);
  });

  it('tells what is left by the rate of the last seconds', () => {
    const { at, written } = setUp(true);
    for (let second = 0; second <= 60; second += 1)
      at(second * 1000, second < 50 ? second : 50 + (second - 50) * 1e7);
    expect(written.at(-1)).toContain('10.0 MB/s');
    expect(written.at(-1)).toContain('1 min 30 s left');
  });
});

describe('progress elsewhere', () => {
  it('is a plain line every five seconds', () => {
    const { line, at, written } = setUp(false);
    for (let ms = 0; ms <= 11_000; ms += 100) at(ms, ms * 1000);
    line.clear();
    expect(written).toHaveLength(2);
    expect(written.every((text) => /^reading .*\n$/.test(text))).toBe(true);
  });
});

describe('progress in words', () => {
  it('has percent, volume, rate, rows and the time that is left', () => {
    expect(describeProgress(progress, 178e6)).toBe(
      'reading   42 %  420 MB of 1.00 GB  178 MB/s  1,234 rows  3.3 s left',
    );
  });

  it('is never at 100 % before the end, and leaves out what is not known', () => {
    expect(describeProgress({ ...progress, doneBytes: 999_999_999, rows: 0 }, undefined)).toBe(
      'reading   99 %  1.00 GB of 1.00 GB',
    );
    expect(describeProgress({ ...progress, totalBytes: 0, rows: 0 }, 0)).toBe('reading  420 MB  0 B/s');
  });
});

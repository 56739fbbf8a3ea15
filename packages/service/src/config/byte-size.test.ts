import { describe, expect, it } from 'vitest';
import { rateBytes, sizeBytes } from './byte-size.ts';

describe('a size', () => {
  it.each([
    ['0B', 0],
    ['500kB', 500_000],
    ['64MiB', 67_108_864],
    ['1.5TiB', 1_649_267_441_664],
    ['200GiB', 214_748_364_800],
    ['1', undefined],
    ['1 MiB', undefined],
    ['-1MiB', undefined],
    ['1mib', undefined],
    ['1Mb', undefined],
    ['1e3B', undefined],
    ['999999999999TiB', undefined],
    ['', undefined],
  ])('%j is %s bytes', (text, bytes) => expect(sizeBytes(text)).toBe(bytes));
});

describe('a rate', () => {
  it.each([
    ['50MiB/s', 52_428_800],
    ['0.5kB/s', 500],
    ['50MiB', undefined],
    ['50Mbit/s', undefined],
    ['/s', undefined],
  ])('%j is %s bytes per second', (text, bytes) => expect(rateBytes(text)).toBe(bytes));
});

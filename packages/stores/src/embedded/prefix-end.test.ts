import { expect, test } from 'vitest';
import { prefixEnd } from './prefix-end.ts';

test('the end of a prefix is the first text after all that begin with it', () => {
  expect(prefixEnd('a/')).toBe('a0');
  expect(prefixEnd('')).toBeUndefined();
  expect(prefixEnd('a\u{10FFFF}')).toBe('b');
  expect(prefixEnd('\u{10FFFF}\u{10FFFF}')).toBeUndefined();
  expect(prefixEnd('a\uD7FF')).toBe('a\uE000');
  expect(prefixEnd('a\uFFFF')).toBe('a\u{10000}');
  expect(prefixEnd('😀')).toBe('😁');
});

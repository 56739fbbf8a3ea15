import { namePattern } from '@holdfast/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toName, toNodeName } from './names.ts';

describe('names made fit', () => {
  it.each([
    ['Shop', 'shop'],
    ['shop_eu (2)', 'shop-eu-2'],
    ['Größe', 'gro-e'],
    ['--x--', 'x'],
    ['日本', ''],
    [`${'a'.repeat(62)}-b`, 'a'.repeat(62)],
  ])('%s is %s', (text, name) => expect(toName(text)).toBe(name));

  it('fit the pattern, or are empty', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const name = toName(text);
        expect(name === '' || namePattern.test(name)).toBe(true);
      }),
    );
  });

  it('name the node after its host', () => {
    expect(toNodeName('DB1.example.com')).toBe('db1-example-com');
    expect(toNodeName('')).toBe('node');
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyText, rowText, splitArray } from './tokens.ts';

const texts = (line: string): string[] => splitArray(line).elements;

describe('splitting an array', () => {
  test('any JSON values come out as the texts they went in as', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 8 }), (values) => {
        const elements = values.map((value) => JSON.stringify(value));
        const line = `[${elements.join(',')}]`;
        expect(splitArray(line)).toEqual({ elements, end: line.length });
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['[]', []],
    ['[1,1.0,-0,9223372036854775807,1e400]', ['1', '1.0', '-0', '9223372036854775807', '1e400']],
    ['["a\\"b","\\\\","\\\\\\"",""]', ['"a\\"b"', '"\\\\"', '"\\\\\\""', '""']],
    ['["]",",","{"]', ['"]"', '","', '"{"']],
    ['[{},{"b":"}]"},null]', ['{}', '{"b":"}]"}', 'null']],
    ['[[1,[2,"]"]],3]', ['[1,[2,"]"]]', '3']],
    ['["\\u0000é😀"]', ['"\\u0000é😀"']],
  ])('%s', (line, expected) => {
    expect(texts(line)).toEqual(expected);
  });

  test('an array inside a line is read from where it begins, and says where it ends', () => {
    const line = '["insert",3,["a"]]';
    expect(splitArray(line, 12)).toEqual({ elements: ['"a"'], end: 17 });
  });

  test.each(['', '1', '{}', '[', '[1', '[1,', '[,1]', '["a]', '[1 2', '[{]', '["\\"]'])(
    '%j is refused',
    (line) => {
      expect(() => splitArray(line)).toThrow(/not a JSON array/);
    },
  );
});

describe('a key', () => {
  test('is the same however its writer escaped it', () => {
    expect(keyText(['"caf\\u00e9"', '"a\\/b"', '1'])).toBe(keyText(['"café"', '"a/b"', '1']));
  });

  test('tells apart what JavaScript numbers do not', () => {
    const keys = [
      ['1'],
      ['1.0'],
      ['"1"'],
      ['9223372036854775807'],
      ['9223372036854775806'],
      ['null'],
      ['"null"'],
    ];
    expect(new Set(keys.map((key) => keyText(key))).size).toBe(keys.length);
  });

  test('of several values is never that of other values', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null)).map((one) => JSON.stringify(one));
    const key = fc.array(value, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(keyText(a) === keyText(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

test('a row is put together as it was split', () => {
  const line = '["a",{},1.0,null,"\\u0007"]';
  expect(rowText(texts(line))).toBe(line);
});

import { describe, expect, it } from 'vitest';
import { asideName, cutToBytes, readMark, temporaryName, writeMark } from './temporary-name.ts';

describe('the name of a database in the making', () => {
  it('is the target and the id when they fit', () => {
    expect(temporaryName('shop', 'r42')).toBe('shop_holdfast_r42');
  });

  it('is the same for the same restore and never longer than PostgreSQL takes', () => {
    const long = 'x'.repeat(60);
    expect(temporaryName(long, 'r42')).toBe(temporaryName(long, 'r42'));
    expect(Buffer.byteLength(temporaryName(long, 'r42'))).toBe(63);
    expect(Buffer.byteLength(asideName('ü'.repeat(40), 'r42'))).toBeLessThanOrEqual(63);
  });

  it('differs for two targets or ids whose visible parts are the same', () => {
    expect(temporaryName(`${'x'.repeat(62)}a`, 'r')).not.toBe(temporaryName(`${'x'.repeat(62)}b`, 'r'));
    expect(temporaryName('shop', 'a/b')).not.toBe(temporaryName('shop', 'a.b'));
  });

  it('is never cut in the middle of a character', () => {
    expect(cutToBytes('aüü', 4)).toBe('aü');
  });
});

describe('the mark', () => {
  const mark = { role: 'building', target: 'sh"op', id: 'x', recipe: 'ab' } as const;

  it('reads back as it was written', () => {
    expect(readMark(writeMark(mark))).toEqual(mark);
  });

  it('is not seen in the comments of other people', () => {
    for (const comment of [
      null,
      '',
      'the shop',
      '{"holdfast":{}}',
      `${writeMark(mark)}!`,
      'Made by holdfast restore',
    ]) {
      expect(readMark(comment)).toBeUndefined();
    }
  });
});

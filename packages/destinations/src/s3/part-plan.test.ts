import { describe, expect, test } from 'vitest';
import { defaultPartBytes, partBytesMax, partsMax, planOf, planOfUnknown } from './part-plan.ts';

const mebibyte = 1_048_576;
const gibibyte = 1024 * mebibyte;
const tebibyte = 1024 * gibibyte;

describe('how an object is divided into parts', () => {
  test('one whose size is known has equal parts, and no more than 1,000 of them up to 4.8 TiB', () => {
    for (const [sizeBytes, partBytes, parts] of [
      [0, 16 * mebibyte, 1],
      [1, 16 * mebibyte, 1],
      [16 * mebibyte, 16 * mebibyte, 1],
      [16 * mebibyte + 1, 16 * mebibyte, 2],
      [128 * mebibyte, 16 * mebibyte, 8],
      [16_000 * mebibyte, 16 * mebibyte, 1000],
      [16_000 * mebibyte + 1, 17 * mebibyte, 942],
      [tebibyte, 1049 * mebibyte, 1000],
      [5 * tebibyte, partBytesMax, 1024],
    ] as const) {
      const plan = planOf(sizeBytes, defaultPartBytes);
      expect([sizeBytes, plan.sizeOf(1), plan.partCount]).toEqual([sizeBytes, partBytes, parts]);
      expect(plan.sizeOf(plan.partCount ?? 0)).toBe(partBytes);
    }
  });

  test('parts that were asked for larger stay so', () => {
    expect(planOf(128 * mebibyte, 64 * mebibyte)).toMatchObject({ partCount: 2 });
  });

  test('more than S3 keeps is refused', () => {
    expect(planOf(partsMax * partBytesMax, defaultPartBytes).partCount).toBe(partsMax);
    expect(() => planOf(partsMax * partBytesMax + 1, defaultPartBytes)).toThrow('larger than S3 keeps');
  });

  test('one of unknown size begins with small parts, and 5 TiB fit into 10,000', () => {
    const plan = planOfUnknown(defaultPartBytes, { equal: false });
    expect([1, 1000, 1001, 2001].map((number) => plan.sizeOf(number) / mebibyte)).toEqual([16, 16, 32, 64]);
    let sum = 0;
    let parts = 0;
    while (sum < 5 * tebibyte) {
      parts += 1;
      expect(plan.sizeOf(parts)).toBeLessThanOrEqual(partBytesMax);
      sum += plan.sizeOf(parts);
    }
    expect(parts).toBeLessThan(partsMax);
  });

  test('where parts have to be equal, they are', () => {
    const plan = planOfUnknown(defaultPartBytes, { equal: true });
    expect(plan.sizeOf(partsMax)).toBe(plan.sizeOf(1));
  });
});

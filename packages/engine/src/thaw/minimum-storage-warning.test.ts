import { expect, test } from 'vitest';
import { minimumStorageWarning } from './minimum-storage-warning.ts';

const dayMs = 86_400_000;
const nowMs = 400 * dayMs;
const object = (storageClass: string | undefined, ageDays: number | undefined, bytes = 1_500_000) => ({
  key: 'k',
  bytes,
  ...(storageClass && { storageClass }),
  ...(ageDays !== undefined && { modifiedAtMs: nowMs - ageDays * dayMs }),
});
const minimum = { DEEP: 180, COOL: 30 };

test('what is younger than it is paid for is told, by class', () => {
  const young = [object('DEEP', 179), object('DEEP', 1), object('COOL', 29)];
  const others = [object('DEEP', 180), object('COOL', 31), object('HOT', 1), object(undefined, 1)];
  expect(minimumStorageWarning([...young, ...others, object('DEEP', undefined)], minimum, nowMs)).toEqual([
    '2 segments (3.0 MB) in DEEP are not 180 days old: that long they are paid for, deleted or not',
    '1 segment (1.5 MB) in COOL is not 30 days old: that long it is paid for, deleted or not',
  ]);
  expect(minimumStorageWarning(others, minimum, nowMs)).toEqual([]);
});

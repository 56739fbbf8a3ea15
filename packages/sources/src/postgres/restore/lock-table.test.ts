import { describe, expect, it } from 'vitest';
import { LockTable } from './lock-table.ts';

const shared = [{ relation: 'a', mode: 'shared' }] as const;
const alone = [{ relation: 'a', mode: 'exclusive' }] as const;
const other = [{ relation: 'b', mode: 'exclusive' }] as const;

describe('locks of statements that run side by side', () => {
  it('let sharers together, and one who wants a relation alone only when nobody has it', () => {
    const table = new LockTable();
    table.take(shared);
    expect(table.isFree(shared)).toBe(true);
    expect(table.isFree(alone)).toBe(false);
    expect(table.isFree(other)).toBe(true);
    table.take(shared);
    table.release(shared);
    expect(table.isFree(alone)).toBe(false);
    table.release(shared);
    table.take(alone);
    expect(table.isFree(shared)).toBe(false);
    table.release(alone);
    expect(table.isFree(alone)).toBe(true);
  });
});

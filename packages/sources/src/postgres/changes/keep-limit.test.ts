import { describe, expect, it } from 'vitest';
import { formatBytes, keepChangesLimit, parseBytes, slotHealth } from './keep-limit.ts';
import type { SlotFacts } from './slot.ts';

const gibibyte = 1024 ** 3;

describe('how much log a slot may hold back', () => {
  it('is what was asked for, else 10 GB, else a tenth of the free space', () => {
    expect(keepChangesLimit({ asked: 5, freeBytes: 1 })).toBe(5);
    expect(keepChangesLimit({})).toBe(10 * gibibyte);
    expect(keepChangesLimit({ freeBytes: 1000 * gibibyte })).toBe(10 * gibibyte);
    expect(keepChangesLimit({ freeBytes: 20 * gibibyte })).toBe(2 * gibibyte);
  });

  it('is written as PostgreSQL writes sizes', () => {
    expect(parseBytes('5GB', 'x')).toBe(5 * gibibyte);
    expect(parseBytes(' 512 kB ', 'x')).toBe(512 * 1024);
    expect(parseBytes('7', 'x')).toBe(7);
    for (const wrong of ['', '5 apples', '-1GB', '0', '1.5GB', '5PB']) {
      expect(() => parseBytes(wrong, 'keep_changes_max'), wrong).toThrow(/keep_changes_max is/);
    }
    expect([formatBytes(0), formatBytes(1536), formatBytes(10 * gibibyte), formatBytes(2048 ** 4)]).toEqual([
      '0 B',
      '1.5 kB',
      '10.0 GB',
      '16.0 TB',
    ]);
  });

  it('is what its health is measured by', () => {
    const slot: SlotFacts = {
      name: 'holdfast_x',
      plugin: 'test_decoding',
      temporary: false,
      active: false,
      restart: '0/1',
      confirmed: '0/1',
      status: 'reserved',
      retainedBytes: 100,
    };
    expect(slotHealth(slot, 100).ok).toBe(true);
    expect(slotHealth(slot, 99)).toMatchObject({ ok: false, retainedBytes: 100, limitBytes: 99 });
    expect(slotHealth({ ...slot, status: 'lost' }, 1000)).toMatchObject({
      ok: false,
      message: expect.stringContaining('invalidated'),
    });
  });
});

import { expect, it } from 'vitest';
import { DestinationTotals } from './destination-totals.ts';

const calls = { prepare: 1, write: 2, read: 3, stat: 4, list: 5, delete: 6, thaw: 0 };
const one = { bytesWritten: 10, bytesRead: 20, calls, failures: { timeout: 1 }, retries: 2, waitedMs: 9 };

it('adds up what processes asked of each destination', () => {
  const totals = new DestinationTotals();
  totals.add(['near', 'far'], [one, { ...one, bytesWritten: -5, failures: {} }]);
  totals.add(['far'], [{ ...one, failures: { timeout: 2, corrupt: 1 } }]);
  expect(totals.of('near')).toMatchObject({ bytesWritten: 10, calls, failures: { timeout: 1 } });
  expect(totals.of('far')).toEqual({
    bytesWritten: 10,
    bytesRead: 40,
    calls: { prepare: 2, write: 4, read: 6, stat: 8, list: 10, delete: 12, thaw: 0 },
    failures: { timeout: 2, corrupt: 1 },
    retries: 4,
  });
  expect(totals.of('other')).toMatchObject({ bytesWritten: 0, calls: {} });
});

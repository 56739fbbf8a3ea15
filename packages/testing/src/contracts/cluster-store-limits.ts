import { storeLimits, type Transaction } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { keysOf, never, type OpenClusterStore, readValue } from './cluster-store-harness.ts';

const signal = never;
const { operationsMax, transactionBytesMax, valueBytesMax, keyBytesMax } = storeLimits;

function numbered<T>(count: number, make: (key: string) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(`k/${String(index).padStart(4, '0')}`));
}

const putOf = (key: string): { key: string; value: string } => ({ key, value: 'x' });
const absent = (key: string): { key: string; revision: 'absent' } => ({ key, revision: 'absent' });

/** So many bytes with the keys `big` and `rest`. */
function puttingBytes(bytes: number): Transaction {
  const rest = bytes - valueBytesMax - 'bigrest'.length;
  return {
    puts: [
      { key: 'big', value: 'v'.repeat(valueBytesMax) },
      { key: 'rest', value: 'v'.repeat(rest) },
    ],
  };
}

/** As many operations as there may be, with keys of the greatest length, and values that leave no byte to spare. */
function fullTransaction(): Transaction {
  const keys = numbered(operationsMax, (key) => key.padEnd(keyBytesMax, '-'));
  const left = transactionBytesMax - 2 * operationsMax * keyBytesMax;
  const each = Math.floor(left / operationsMax);
  const puts = keys.map((key, index) => ({
    key,
    value: 'v'.repeat(index === 0 ? left - each * (operationsMax - 1) : each),
  }));
  return { checks: keys.map(absent), puts };
}

/** What every store takes, and what it refuses with `config_invalid` before anything is done. */
export function describeStoreLimits(open: OpenClusterStore): void {
  describe('limits', () => {
    test(`a transaction has up to ${operationsMax} checks, and as many puts and deletes`, async () => {
      await using harness = await open();
      const store = await harness.handle();
      const checks = numbered(operationsMax, absent);
      const half = operationsMax / 2;
      await store.transact({ checks, puts: numbered(operationsMax, putOf) }, { signal });
      expect(await keysOf(store, 'k/')).toHaveLength(operationsMax);
      const keys = numbered(operationsMax, (key) => key);
      await store.transact({ puts: keys.slice(0, half).map(putOf), deletes: keys.slice(half) }, { signal });
      expect(await keysOf(store, 'k/')).toHaveLength(half);
    });

    test('the longest key and the longest value are taken, counted in bytes', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const key = 'é'.repeat(keyBytesMax / 2);
      for (const value of ['v'.repeat(valueBytesMax), '😀'.repeat(valueBytesMax / 4)]) {
        await a.transact({ puts: [{ key, value }] }, { signal });
        expect((await readValue(b, key)) === value).toBe(true);
      }
    });

    test('the largest transaction is taken, whatever it is made of', async () => {
      await using harness = await open();
      const store = await harness.handle();
      await store.transact(fullTransaction(), { signal });
      expect(await keysOf(store, 'k/')).toHaveLength(operationsMax);
      await store.transact(puttingBytes(transactionBytesMax), { signal });
      expect(await keysOf(store)).toEqual(['big', ...(await keysOf(store, 'k/')), 'rest']);
    });

    const tooLongKey = `${'é'.repeat(keyBytesMax / 2)}x`;
    const refused: Readonly<Record<string, Transaction>> = {
      'too many checks': { checks: numbered(operationsMax + 1, absent), puts: [putOf('k')] },
      'too many puts': { puts: numbered(operationsMax + 1, putOf) },
      'too many puts and deletes': { puts: numbered(operationsMax, putOf), deletes: ['there'] },
      'a key twice': { puts: [putOf('k'), putOf('there'), putOf('k')] },
      'a key that is put and deleted': { puts: [putOf('there')], deletes: ['there'] },
      'a key that is deleted twice': { puts: [putOf('k')], deletes: ['there', 'there'] },
      'too long a value': {
        puts: [putOf('k'), { key: 'there', value: `${'é'.repeat(valueBytesMax / 2)}x` }],
      },
      'too many bytes together': puttingBytes(transactionBytesMax + 1),
      'too long a key to put': { puts: [putOf('k'), putOf(tooLongKey)] },
      'too long a key to delete': { puts: [putOf('k')], deletes: [tooLongKey] },
      'too long a key to check': { puts: [putOf('k')], checks: [absent(tooLongKey)] },
      'an empty key': { puts: [putOf('k'), putOf('')] },
      'half a character in a value': { puts: [{ key: 'k', value: '\uD83D' }] },
      'half a character in a key': { puts: [putOf('\uDE00')] },
    };
    test('a transaction beyond a limit is refused and changes nothing', async () => {
      await using harness = await open();
      const store = await harness.handle();
      await store.transact({ puts: [putOf('there')] }, { signal });
      const before = await store.list('', { signal });
      for (const [what, transaction] of Object.entries(refused)) {
        const outcome = store.transact(transaction, { signal });
        await expect(outcome, what).rejects.toMatchObject({ code: 'config_invalid' });
        expect(await store.list('', { signal }), what).toEqual(before);
      }
    });
  });
}

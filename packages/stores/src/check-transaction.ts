import { HoldfastError, storeLimits, type Transaction } from '@holdfast/core';

/** Refuses, before anything is done, what some store might not take. */
export function checkTransaction({ checks = [], puts = [], deletes = [] }: Transaction): void {
  const changed = [...puts.map(({ key }) => key), ...deletes];
  const { operationsMax, valueBytesMax, transactionBytesMax } = storeLimits;
  let transactionBytes = 0;
  if (checks.length > operationsMax || changed.length > operationsMax) {
    throw new HoldfastError(
      'config_invalid',
      `a transaction with ${checks.length} checks and ${changed.length} changes; ${operationsMax} of each are the most`,
      { hint: 'divide it into several' },
    );
  }
  for (const { key } of checks) transactionBytes += checkKey(key);
  const seen = new Set<string>();
  for (const key of changed) {
    transactionBytes += checkKey(key);
    if (seen.has(key)) throw new HoldfastError('config_invalid', `a transaction changes ${key} twice`);
    seen.add(key);
  }
  for (const { key, value } of puts) {
    if (!value.isWellFormed()) {
      throw new HoldfastError(
        'config_invalid',
        `the value of ${key} has half a character (a lone surrogate)`,
      );
    }
    const bytes = Buffer.byteLength(value);
    if (bytes > valueBytesMax) {
      throw new HoldfastError(
        'config_invalid',
        `the value of ${key} has ${bytes} bytes; ${valueBytesMax} are the most`,
      );
    }
    transactionBytes += bytes;
  }
  if (transactionBytes > transactionBytesMax) {
    throw new HoldfastError(
      'config_invalid',
      `a transaction of ${transactionBytes} bytes; ${transactionBytesMax} are the most`,
      { hint: 'divide it into several' },
    );
  }
}

/** The bytes of a key that may be one. */
function checkKey(key: string): number {
  const bytes = Buffer.byteLength(key);
  if (bytes > 0 && bytes <= storeLimits.keyBytesMax && key.isWellFormed()) return bytes;
  const why =
    bytes === 0
      ? 'a key is empty'
      : bytes > storeLimits.keyBytesMax
        ? `a key has ${bytes} bytes; ${storeLimits.keyBytesMax} are the most: ${key.slice(0, 40)}…`
        : `a key has half a character (a lone surrogate): ${key}`;
  throw new HoldfastError('config_invalid', why);
}

import { HoldfastError, storeLimits, type Transaction } from '@holdfast/core';

/** As every store does it; written once more, since a fake must not share a real one's mistakes. */
export function checkLimits({ checks = [], puts = [], deletes = [] }: Transaction): void {
  const changed = [...puts.map(({ key }) => key), ...deletes];
  const refuse = (what: string): never => {
    throw new HoldfastError('config_invalid', what);
  };
  if (Math.max(checks.length, changed.length) > storeLimits.operationsMax) refuse('too many operations');
  if (new Set(changed).size < changed.length) refuse('a key is changed twice');
  for (const key of [...checks.map((check) => check.key), ...changed]) {
    if (key === '' || !key.isWellFormed() || Buffer.byteLength(key) > storeLimits.keyBytesMax) {
      refuse(`not a key: ${key}`);
    }
  }
  for (const { key, value } of puts) {
    if (!value.isWellFormed() || Buffer.byteLength(value) > storeLimits.valueBytesMax) {
      refuse(`not a value: that of ${key}`);
    }
  }
  const texts = [...checks.map((check) => check.key), ...changed, ...puts.map(({ value }) => value)];
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > storeLimits.transactionBytesMax) refuse('too many bytes');
}

import { HoldfastError } from '@holdfast/core';

const keyBytesMax = 1024;
const reserved = '.holdfast-';

/** @throws HoldfastError config_invalid for what is no key, or a name that is Holdfast's own */
export function assertKey(key: string): void {
  const isBad = (part: string): boolean =>
    ['', '.', '..'].includes(part) || part.startsWith(reserved) || /\0/.test(part) || !part.isWellFormed();
  if (!key.split('/').some(isBad) && Buffer.byteLength(key) <= keyBytesMax) return;
  throw new HoldfastError('config_invalid', `not a key: ${JSON.stringify(key)}`, {
    hint: 'keys are relative paths with / between their parts, such as task/chain/file',
  });
}

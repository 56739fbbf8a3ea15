import { HoldfastError } from '@holdfast/core';

/** S3 and Azure keep no longer ones; nothing that Holdfast writes comes near. */
const keyBytesMax = 1024;

/**
 * The parts of a key.
 * @throws HoldfastError config_invalid for what is not a key: an empty part, `.` or `..`, a NUL, or too long
 */
export function partsOf(key: string): readonly string[] {
  const parts = key.split('/');
  const bad = parts.find((part) => part === '' || part === '.' || part === '..' || part.includes('\0'));
  if (bad !== undefined) throw notAKey(key, `its part ${JSON.stringify(bad)} is not a name`);
  if (Buffer.byteLength(key) > keyBytesMax) throw notAKey(key, `it is longer than ${keyBytesMax} bytes`);
  return parts;
}

/** What is asked of names below a prefix: that they name nothing outside. The last part may be any, or none. */
export function prefixParts(prefix: string): { readonly folders: readonly string[]; readonly rest: string } {
  const cut = prefix.lastIndexOf('/');
  const rest = prefix.slice(cut + 1);
  return { folders: cut < 0 ? [] : partsOf(prefix.slice(0, cut)), rest };
}

export function notAKey(key: string, why: string): HoldfastError {
  return new HoldfastError('config_invalid', `not a key: ${JSON.stringify(key)}: ${why}`, {
    hint: 'keys are relative paths with / between their parts, such as task/chain/file',
  });
}

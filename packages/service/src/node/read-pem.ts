import { readFile } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/core';

/** The text of a PEM file that a field of the node's configuration names. @throws HoldfastError config_invalid */
export async function readPem(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError('config_invalid', `${field}: ${path} cannot be read: ${code}`, {
      hint: 'it must be a PEM file that this user may read',
      cause,
    });
  }
}

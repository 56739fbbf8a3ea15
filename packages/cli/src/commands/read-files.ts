import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { HoldfastError } from '@holdfast/core';

/** Files as they were named on the command line; - is stdin. */
export async function readFiles(
  names: readonly string[],
): Promise<{ readonly name: string; readonly text: string }[]> {
  return Promise.all(
    names.map(async (name) => ({ name: name === '-' ? 'stdin' : name, text: await readText(name) })),
  );
}

async function readText(name: string): Promise<string> {
  try {
    return name === '-' ? await text(process.stdin) : await readFile(name, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError('config_invalid', `${name} cannot be read: ${code}`, {
      hint: 'name files with -f FILE, once for each',
      cause,
    });
  }
}

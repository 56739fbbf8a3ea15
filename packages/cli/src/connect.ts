import { readFile } from 'node:fs/promises';
import { Client } from '@holdfast/client';
import { HoldfastError, Secret } from '@holdfast/core';
import type { Context } from './context.ts';

const defaultServer = 'http://127.0.0.1:6362';

export interface ServerValues {
  readonly server: string | undefined;
  readonly 'token-file': string | undefined;
}

/** The node that a command asks. */
export async function connect(values: ServerValues, context: Context): Promise<Client> {
  const { env } = context.terminal;
  const token =
    values['token-file'] === undefined ? env.HOLDFAST_TOKEN : await readToken(values['token-file']);
  const url = values.server ?? (env.HOLDFAST_SERVER || defaultServer);
  return new Client({ url, ...(token ? { token: new Secret(token) } : {}), clock: context.clock });
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError('config_invalid', `--token-file ${path} cannot be read: ${code}`, { cause });
  }
}

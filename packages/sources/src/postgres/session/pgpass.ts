import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@holdfast/core';
import type { Host, Target } from './url.ts';

/** The password of a target at one of its hosts: the one it carries, else the first that fits in `~/.pgpass`. */
export async function passwordFor(
  target: Target,
  host: Host,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Secret | undefined> {
  if (target.password) return target.password;
  const file = environment.PGPASSFILE || join(homedir(), '.pgpass');
  let text: string;
  try {
    // As libpq does: a file that others may read is not used.
    if (((await stat(file)).mode & 0o077) !== 0) return undefined;
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  const password = findPassword(text, target, host);
  return password === undefined ? undefined : new Secret(password);
}

/** Lines are `host:port:database:user:password`; `*` fits anything, a backslash takes the next character as it is. */
export function findPassword(text: string, target: Target, host: Host): string | undefined {
  const wanted = [
    host.host.startsWith('/') ? [host.host, 'localhost'] : [host.host],
    [String(host.port)],
    [target.database],
    [target.user],
  ];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = splitFields(line);
    if (fields.length < 5) continue;
    if (wanted.every((values, i) => fields[i] === '*' || values.includes(fields[i] as string))) {
      return fields.slice(4).join(':');
    }
  }
  return undefined;
}

function splitFields(line: string): string[] {
  const fields = [''];
  for (let i = 0; i < line.length; i++) {
    let character = line[i] as string;
    if (character === ':') {
      fields.push('');
      continue;
    }
    if (character === '\\' && i + 1 < line.length) character = line[++i] as string;
    fields[fields.length - 1] += character;
  }
  return fields;
}

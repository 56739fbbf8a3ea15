import { hostname } from 'node:os';
import { HoldfastError, type Sig } from '@holdfast/core';
import { assertSourceScheme, interpolate, toName, toNodeName } from '@holdfast/service';

/** By hand, the node is the machine. */
export function nodeName(host = hostname()): string {
  return toNodeName(host);
}

/**
 * The task of a database without one: the database's own name, made fit.
 *
 * @throws HoldfastError config_invalid when the URL does not tell it
 */
export async function taskNameOf(url: string, o: Sig): Promise<string> {
  // A URL of another kind has no database's name either, but that is not what is wrong with it.
  assertSourceScheme(url);
  const name = toName(databaseOf(await interpolate(url, o)) ?? '');
  if (name !== '') return name;
  throw new HoldfastError('config_invalid', "the source's URL names no database to call the task after", {
    hint: 'name the task with --name TASK',
  });
}

/** `postgres://h/shop?x` -> `shop`; `sqlite:./data/shop.db` -> `shop`. */
function databaseOf(url: string): string | undefined {
  const [, scheme = '', rest = '', query = ''] = /^([a-z][a-z0-9+.-]*):([^?#]*)\??([^#]*)/i.exec(url) ?? [];
  const authority = /^\/\/[^/]*/.exec(rest)?.[0] ?? '';
  const path = decode(rest.slice(authority.length));
  if (scheme.toLowerCase() !== 'sqlite') {
    return new URLSearchParams(query).get('dbname') ?? path.split('/').find((part) => part !== '');
  }
  return path
    .split('/')
    .at(-1)
    ?.replace(/(?<=.)\.[^.]*$/, '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone per cent sign: the driver will say what is wrong with the URL.
    return text;
  }
}

import { createHash } from 'node:crypto';

/**
 * The databases that a restore makes before the one it was asked for: how they are named, and how they are told from
 * databases of other people. Nothing here is deleted by its name alone.
 */
export interface Mark {
  readonly role: 'building' | 'replaced';
  /** The database that the restore is for. */
  readonly target: string;
  /** Of the restore. */
  readonly id: string;
  /** Of what the restore was asked to make: a leftover of another recipe cannot be taken up. */
  readonly recipe: string;
}

/**
 * A comment cannot be set by CREATE DATABASE itself. A connection limit can, and nobody chooses this one: a process
 * that dies between the two statements leaves a database that still says whose it is.
 */
export const birthLimit = 1_836_345_971;

/** PostgreSQL's NAMEDATALEN - 1: longer names are cut by the server without an error. */
export const nameBytesMax = 63;

/** `<target>_holdfast_<id>`: the same restore finds its own again; two restores never share one. */
export function temporaryName(target: string, id: string): string {
  return compose(target, '_holdfast_', id);
}

/** Under which an empty database that stood in the way is put aside, for the moment between rename and drop. */
export function asideName(target: string, id: string): string {
  return compose(target, '_holdfast_aside_', id);
}

function compose(target: string, middle: string, id: string): string {
  const plain = /^[a-z0-9_]{1,16}$/.test(id) ? target + middle + id : undefined;
  if (plain !== undefined && Buffer.byteLength(plain) <= nameBytesMax) return plain;
  // What is cut off must not make two names one, so the hash covers the whole of both.
  const digest = createHash('sha256').update(`${target}\0${id}`).digest('hex').slice(0, 12);
  const room = nameBytesMax - Buffer.byteLength(middle) - digest.length;
  return cutToBytes(target, room) + middle + digest;
}

/** The longest beginning of a text that fits, never ending in the middle of a character. */
export function cutToBytes(text: string, bytesMax: number): string {
  let out = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    out += character;
  }
  return out;
}

export function writeMark(mark: Mark): string {
  return `Made by holdfast restore; dropped or renamed by it. ${JSON.stringify({ holdfast: mark })}`;
}

/** What a database's comment says about it; undefined for a database that is not ours. */
export function readMark(comment: string | null): Mark | undefined {
  const json = /^Made by holdfast restore; dropped or renamed by it\. (\{.*\})$/s.exec(comment ?? '')?.[1];
  if (json === undefined) return undefined;
  try {
    const { holdfast } = JSON.parse(json) as { holdfast: Partial<Mark> };
    const { role, target, id, recipe } = holdfast;
    if ((role !== 'building' && role !== 'replaced') || typeof target !== 'string') return undefined;
    if (typeof id !== 'string' || typeof recipe !== 'string') return undefined;
    return { role, target, id, recipe };
  } catch {
    return undefined;
  }
}

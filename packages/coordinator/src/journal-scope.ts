import { HoldfastError } from '@holdfast/core';
import type { ApartMeta } from './journal-book.ts';
import { keys } from './keys.ts';
import type { Message, TaskRecord } from './records.ts';

/** Whose key it is, told from the key alone: not that of messages. */
export function taskOfKey(key: string): string | undefined {
  if (key.startsWith(keys.tasks)) return key.slice(keys.tasks.length);
  for (const prefix of [keys.runs, keys.decisions]) {
    const end = key.indexOf('/', prefix.length);
    if (key.startsWith(prefix) && end > prefix.length) return key.slice(prefix.length, end);
  }
  return undefined;
}

/** Whether a node may go on with a task although nobody hears of it: only it makes the chain's incrementals. */
export function goesOn(record: TaskRecord, node: string): boolean {
  return record.node === node && record.owner?.node === node;
}

export function messageOf(value: string): Message | undefined {
  try {
    return JSON.parse(value) as Message;
  } catch {
    return undefined;
  }
}

export function unreachable({ sinceMs, reason }: ApartMeta): string {
  return `the store of the cluster cannot be reached since ${new Date(sinceMs).toISOString()}: ${reason.message}`;
}

export function notKnown(what: string, meta: ApartMeta): HoldfastError {
  return new HoldfastError('unavailable', `${what} cannot be read now, ${unreachable(meta)}`, {
    hint: 'it can be read again when the store answers',
  });
}

export function notNow(what: string, meta: ApartMeta): HoldfastError {
  return new HoldfastError('unavailable', `${what} now, ${unreachable(meta)}`, {
    hint: `tasks whose incrementals node ${meta.node} makes go on, and are told to the cluster later; try again when the store answers`,
  });
}

/** What cannot be done with a key while apart, in words. */
export function refusalOf(key: string): string {
  const task = taskOfKey(key);
  if (task !== undefined) return `task ${task} cannot be changed here`;
  if (key === keys.objects) return 'what is declared cannot be changed';
  if (key.startsWith(keys.outbox)) return 'messages about tasks of other nodes cannot be written here';
  return `${key} cannot be written`;
}

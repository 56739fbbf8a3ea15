import type { DeclaredObjects, Entry, Put, Revision } from '@holdfast/core';
import { keys } from './keys.ts';
import type { DecisionRecord, Message, ObjectsRecord, RunRecord } from './records.ts';

/** A record, and the revision to compare with when it is written. */
export interface Known<T> {
  readonly value: T;
  readonly revision: Revision;
}

export const noObjects: DeclaredObjects = { sources: {}, destinations: {}, tasks: {}, notifications: {} };

/** Revision 0: nothing was ever declared. */
export function objectsOf(entry: Entry | undefined): Known<DeclaredObjects> {
  if (!entry) return { value: noObjects, revision: 0 };
  return { value: (JSON.parse(entry.value) as ObjectsRecord).objects, revision: entry.revision };
}

export function runPut(run: RunRecord): Put {
  return { key: keys.run(run.id), value: JSON.stringify(run) };
}

export function messagePut(message: Message): Put {
  return { key: keys.message(message.id), value: JSON.stringify(message) };
}

export function decisionPut(decision: DecisionRecord): Put {
  const { task, generation, atMs, by } = decision;
  return { key: keys.decision(task, generation, atMs, by), value: JSON.stringify(decision) };
}

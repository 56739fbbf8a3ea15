import type { DeclaredTask } from '@holdfast/core';
import type { NodeRecord } from './records.ts';

/** A task of which only that it is declared matters. */
export const aTask: DeclaredTask = {
  source: 'shop',
  type: 'logical',
  full: '0 * * * *',
  timezone: 'UTC',
  destinations: ['near'],
  require: 'all',
};

export function nodeRecord(node: string, capacity = 1): NodeRecord {
  return { node, instance: node, version: '0', startedAtMs: 0, tags: [], capacity, writtenAtMs: 0 };
}

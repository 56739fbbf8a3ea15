import { noTask } from '@holdfast/coordinator';
import { type DeclaredObjects, didYouMean, HoldfastError } from '@holdfast/core';
import type { RatePlan } from '@holdfast/destinations/wrap';
import { toRunTargets } from '../objects/run-targets.ts';
import type { CopyRun } from '../run-request.ts';

export interface CopyWish {
  readonly task: string;
  /** Declared names. */
  readonly to: string;
  /** Undefined: all other destinations of the task. */
  readonly from?: string | undefined;
  readonly chains: CopyRun['request']['chains'];
}

/** What a copy's process is told, and by which names its destinations are declared. */
export interface CopyOrder {
  readonly run: CopyRun;
  /** The one that is copied to, then those that are copied from. */
  readonly destinations: readonly [string, ...string[]];
}

/**
 * From what is declared when the copy begins.
 * @throws HoldfastError not_found when the task does not have the destination, precondition_failed when nothing may be
 *   copied there
 */
export function copyOrder(
  objects: DeclaredObjects,
  wish: CopyWish,
  o: { readonly staging: string; readonly nodeRate?: RatePlan | undefined },
): CopyOrder {
  const { task, to, from, chains } = wish;
  if (!Object.hasOwn(objects.tasks, task)) throw noTask(task);
  const all = toRunTargets(objects, task).destinations;
  const find = (name: string) => {
    const found = all.find((one) => one.name === name);
    if (found) return found;
    const names = all.map((one) => one.name);
    throw new HoldfastError(
      'not_found',
      `task ${task} has no destination ${name}${didYouMean(name, names)}`,
      {
        hint: `it has: ${names.join(', ')}`,
      },
    );
  };
  const target = find(to);
  if (target.disabled)
    throw new HoldfastError('precondition_failed', `destination ${to} is disabled`, {
      hint: 'take out `disabled: true` where it is declared, then holdfast apply',
    });
  if (from === to)
    throw new HoldfastError('config_invalid', `${to} cannot be copied to itself`, {
      hint: 'name another destination of the task to copy from, or none',
    });
  const others = from === undefined ? all.filter(({ name }) => name !== to) : [find(from)];
  const enabled = others.filter(({ disabled }) => !disabled);
  // What a disabled one has stays there, and is better than nothing.
  const sources = enabled.length > 0 ? enabled : others;
  if (sources.length === 0)
    throw new HoldfastError('precondition_failed', `task ${task} has no other destination to copy from`, {
      hint: 'declare the destination that holds its backups as one of the task',
    });
  return {
    destinations: [to, ...sources.map(({ name }) => name)],
    run: {
      kind: 'copy',
      from: sources.map(({ address }) => address),
      to: target.address,
      staging: o.staging,
      ...(o.nodeRate && { nodeRate: o.nodeRate }),
      request: { task, chains },
    },
  };
}

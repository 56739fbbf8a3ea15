import { type Destination, HoldfastError, type Sig } from '@holdfast/core';
import type { ColdSegment } from '../api.ts';
import { atMost } from './at-most.ts';

const looksMax = 16;

/**
 * Which of these objects are in cold storage, and how each stands, asked of the place one by one: its listing may call
 * cold what is thawed. What can be read and needs no thawing is left out; so is what is gone, for `gone: 'left out'`.
 * @throws HoldfastError not_found for an object that is gone, and whatever the destination meets
 */
export async function lookAtCold(
  destination: Destination,
  objects: readonly { readonly key: string }[],
  o: Sig & { readonly gone?: 'left out' },
): Promise<ColdSegment[]> {
  const found = new Map<string, ColdSegment>();
  await atMost(looksMax, objects, async ({ key }) => {
    const info = await destination.stat(key, { signal: o.signal });
    if (!info && o.gone) return;
    if (!info)
      throw new HoldfastError('not_found', `segment ${key} is gone from ${destination.description}`, {
        hint: '`holdfast check` lists everything that is wrong at this destination',
      });
    const { access, bytes, storageClass = '' } = info;
    if (access) found.set(key, { key, bytes, storageClass, access });
  });
  // In the order of the question, whichever answer came first.
  return objects.flatMap(({ key }) => found.get(key) ?? []);
}

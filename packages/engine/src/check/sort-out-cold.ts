import type { Destination, Sig } from '@holdfast/core';
import type { CheckReport } from '../api.ts';
import type { FoundChain } from '../catalog/chain.ts';
import { lookAtCold } from '../thaw/look-at-cold.ts';
import { stockOf } from '../thaw/volume.ts';
import type { CheckJob } from './check-role.ts';

/** Jobs whose segments can be read, and what there is of those that have to be thawed first. */
export async function sortOutCold(
  jobs: readonly CheckJob[],
  chains: readonly FoundChain[],
  destination: Destination,
  o: Sig,
): Promise<{ readonly readable: readonly CheckJob[]; readonly unread?: CheckReport['unread'] }> {
  const listed = new Set(
    chains.flatMap(({ task, chain, cold }) =>
      [...(cold?.keys() ?? [])].map((file) => `${task}/${chain}/${file}`),
    ),
  );
  const suspects = [...new Set(jobs.map(({ key }) => key))].filter((key) => listed.has(key));
  // What is gone since it was listed is found by reading it.
  const looked = await lookAtCold(
    destination,
    suspects.map((key) => ({ key })),
    { ...o, gone: 'left out' },
  );
  const cold = looked.filter(({ access }) => access !== 'thawed');
  if (cold.length === 0) return { readable: jobs };
  const keys = new Set(cold.map(({ key }) => key));
  const left = jobs.filter(({ key }) => keys.has(key));
  return {
    readable: jobs.filter(({ key }) => !keys.has(key)),
    unread: { ...stockOf(cold), chunks: left.reduce((sum, { chunks }) => sum + chunks.length, 0) },
  };
}

import type { RunView } from '@holdfast/client';
import type { RunRecord } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import type { Asked } from '../api/index.ts';
import type { NodeParts } from './node-parts.ts';
import { runView } from './views.ts';

/** A run as this node knows it: how far it is, where it is carried out here. */
export function ownRunView({ runner, config }: NodeParts, run: RunRecord): RunView {
  const active = runner.find(run.id);
  return runView(active?.run ?? run, { active, stuckAfterMs: config.limits.stallAfterMs });
}

/** A run with how far it is: asked of the node that carries it out; where that does not answer, what the store knows. */
export async function wholeRunView(parts: NodeParts, run: RunRecord, asked: Asked): Promise<RunView> {
  const { peers } = parts;
  const { signal } = asked;
  const own = ownRunView(parts, run);
  if (!isElsewhere(parts, run, asked)) return own;
  try {
    return await peers.ask(run.node, (client) => client.getRun({ run: run.id, signal }), {
      signal,
      spare: true,
    });
  } catch (caught) {
    signal.throwIfAborted();
    const { reason } = HoldfastError.from(caught);
    return { ...own, notices: [...own.notices, `how far it is, ${run.node} alone knows: ${reason}`] };
  }
}

/** Whether another node has to be asked about a run. Not for another node: one hop is enough. */
export function isElsewhere({ runner, config }: NodeParts, run: RunRecord, { peer }: Asked): boolean {
  if (run.endedAtMs !== undefined || peer !== undefined) return false;
  return run.node !== config.name && runner.find(run.id) === undefined;
}

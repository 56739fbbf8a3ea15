import { HoldfastError, type Sig } from '@holdfast/core';
import type { RestoreReport, RestoreRequest, RestoreTools } from '../api.ts';
import { coldPlan } from '../thaw/cold-plan.ts';
import { lookAtCold } from '../thaw/look-at-cold.ts';
import { coldRefusal } from '../thaw/refusal.ts';
import { thaw } from '../thaw/thaw.ts';
import { volumeOf, volumeText } from '../thaw/volume.ts';
import { openPlan, type Wanted } from './plan.ts';
import { refuse } from './refuse.ts';

/**
 * Sees to it that what a restore reads can be read. What stands in its way at the target refuses it before anything is
 * asked for, because thawing is paid for; then the target is let go, because thawing takes hours.
 *
 * @returns undefined when all can be read; else what a restore that does not wait has to report
 * @throws HoldfastError precondition_failed when something has to be thawed and that was not asked for
 */
export async function thawFirst(
  wanted: Wanted,
  request: RestoreRequest,
  tools: RestoreTools,
  o: Sig,
): Promise<Pick<RestoreReport, 'plan' | 'thawing'> | undefined> {
  const { cold, segments } = wanted;
  if (cold.every(({ access }) => access === 'thawed')) return undefined;
  const stands = coldPlan(segments, cold, tools.destination.cold?.ways ?? []);
  if (!request.thaw && stands) throw coldRefusal(stands);
  if (!request.thaw) return undefined;
  const summary = await refusedOrPlanned(wanted, request, tools, o);
  const thawing = await thaw(cold, request.thaw, tools, o);
  const isReadable = thawing.asked.segments + thawing.thawing.segments === 0;
  return isReadable ? undefined : { plan: summary, thawing };
}

async function refusedOrPlanned(
  wanted: Wanted,
  request: RestoreRequest,
  tools: RestoreTools,
  o: Sig,
): Promise<RestoreReport['plan']> {
  await using plan = await openPlan(wanted, request, tools, o);
  refuse(plan);
  return plan.summary;
}

/**
 * Runs a restore whose segments could all be read when it began. Where one fails because some went cold since, the
 * error says so: thawed copies do not last, and rules of a place move what they find.
 */
export async function blamingCold<T>(
  { segments, cold }: Wanted,
  { destination }: RestoreTools,
  o: Sig,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!destination.cold || HoldfastError.from(error).code !== 'precondition_failed') throw error;
    const stands = await lookAtCold(destination, segments, o).catch(() => []);
    const again = stands.filter(({ access }) => access !== 'thawed');
    if (again.length === 0) throw error;
    const hint =
      cold.length > 0
        ? 'run it again with --thaw, and with more --thaw-days than it takes; nothing was published'
        : 'run it again with --thaw; nothing was published';
    throw new HoldfastError(
      'precondition_failed',
      `${volumeText(volumeOf(again))} went cold while the restore was reading`,
      { hint, cause: error },
    );
  }
}

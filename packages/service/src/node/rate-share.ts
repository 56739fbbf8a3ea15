import type { RatePlan } from '@holdfast/destinations/wrap';

/**
 * What one of so many processes may use of a rate, so that all of them together never use more, however many there are
 * at a moment.
 */
export function shareOf(plan: RatePlan | undefined, among: number): RatePlan | undefined {
  if (plan === undefined) return undefined;
  const share = (rate: number): number => Math.max(1, Math.floor(rate / among));
  const { bytesPerSecond, schedule } = plan;
  return {
    ...(bytesPerSecond !== undefined && { bytesPerSecond: share(bytesPerSecond) }),
    ...(schedule && {
      schedule: schedule.map((window) => ({ ...window, bytesPerSecond: share(window.bytesPerSecond) })),
    }),
  };
}

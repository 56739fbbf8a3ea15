import { HoldfastError } from '@holdfast/core';
import type { Plan } from './plan.ts';

/** @throws HoldfastError what stands in the way at the target, all of it in one error */
export function refuse(plan: Plan): void {
  const errors = plan.summary.problems.filter(({ ok, severity }) => !ok && severity === 'error');
  const [first] = errors;
  if (!first) return;
  const hints = errors.flatMap(({ hint }) => (hint === undefined ? [] : [hint]));
  throw new HoldfastError(
    first.code ?? 'precondition_failed',
    errors.map(({ message }) => message).join('; '),
    {
      hint: [...new Set(hints)].join('; ') || undefined,
    },
  );
}

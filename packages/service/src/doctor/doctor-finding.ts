import type { Finding, HoldfastError } from '@holdfast/core';

/** What `doctor` has found, and how long it took to find it out. */
export interface DoctorFinding extends Finding {
  readonly tookMs?: number;
}

/** What a step of `doctor` says when it did not fail: words, or a warning. */
export type StepOutcome = string | { readonly warning: string; readonly hint?: string };

export function failedFinding(check: string, error: HoldfastError): DoctorFinding {
  const { code, reason: message, hint } = error;
  const finding = { check, ok: false, severity: 'error', code, message } as const;
  return hint === undefined ? finding : { ...finding, hint };
}

export function findingOf(check: string, outcome: StepOutcome): DoctorFinding {
  if (typeof outcome === 'string') return { check, ok: true, severity: 'info', message: outcome };
  const { warning: message, hint } = outcome;
  return { check, ok: false, severity: 'warning', message, ...(hint !== undefined && { hint }) };
}

import type { ErrorCode, Finding, HoldfastError } from '@holdfast/core';

export function fine(check: string, message: string): Finding {
  return { check, ok: true, severity: 'info', message };
}

/** Nothing is wrong, but worth knowing. */
export function info(check: string, message: string, hint?: string): Finding {
  return { check, ok: true, severity: 'info', message, ...(hint === undefined ? {} : { hint }) };
}

export function warning(check: string, message: string, hint: string): Finding {
  return { check, ok: false, severity: 'warning', message, hint };
}

export function bad(check: string, code: ErrorCode, message: string, hint: string): Finding {
  return { check, ok: false, severity: 'error', code, message, hint };
}

export function fromError(check: string, { code, reason, hint }: HoldfastError): Finding {
  return {
    check,
    ok: false,
    severity: 'error',
    code,
    message: reason,
    ...(hint === undefined ? {} : { hint }),
  };
}

const namedMax = 10;

/** `public.a, public.b and 3 more` */
export function someOf(names: readonly string[]): string {
  const more = names.length - namedMax;
  return `${names.slice(0, namedMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

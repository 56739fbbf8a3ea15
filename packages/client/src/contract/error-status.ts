import type { ErrorCode } from '@holdfast/core';

/**
 * The HTTP status of each error. Several codes share one; clients go by the code in the body. A few errors of HTTP itself
 * come with a status of their own: 413, 415, 421.
 */
export const errorStatus = {
  config_invalid: 400,
  unauthenticated: 401,
  permission_denied: 403,
  precondition_failed: 409,
  unsupported: 422,
  cancelled: 503,
  not_found: 404,
  out_of_range: 404,
  corrupt: 500,
  conflict: 409,
  exhausted: 503,
  unavailable: 503,
  timeout: 504,
  source_failed: 502,
  lease_lost: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Errors of HTTP itself: the code they come with, and what they mean. */
export const transportErrors = {
  413: { code: 'config_invalid', means: 'the body is larger than the route takes' },
  415: { code: 'config_invalid', means: 'the body is not `application/json`' },
  421: { code: 'permission_denied', means: 'the Host header names another server' },
} as const satisfies Record<number, { code: ErrorCode; means: string }>;

import { errorStatus } from '@holdfast/client';
import { type ErrorCode, type ErrorDetails, HoldfastError } from '@holdfast/core';

/** An error of HTTP itself, with a status that its code alone does not have. */
export class TransportError extends HoldfastError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, reason: string, details: ErrorDetails = {}) {
    super(code, reason, details);
    this.status = status;
  }
}

export interface Failure {
  readonly status: number;
  readonly error: HoldfastError;
  /** As the client may see it. */
  readonly body: { readonly error: { code: ErrorCode; message: string; hint?: string | undefined } };
}

/** What went wrong with a request, from whoever noticed it. What is our own fault is not told to strangers. */
export function failureOf(caught: unknown, request: string): Failure {
  const error = translate(caught);
  const status = error instanceof TransportError ? error.status : errorStatus[error.code];
  const shown =
    error.code === 'internal'
      ? new HoldfastError('internal', 'something went wrong inside Holdfast', {
          hint: `the log of the node has it, as request ${request}`,
        })
      : error;
  return { status, error, body: { error: shown.toRecord() } };
}

/** Fastify's errors become ours here, and nowhere else. */
function translate(caught: unknown): HoldfastError {
  if (caught instanceof HoldfastError || !(caught instanceof Error)) return HoldfastError.from(caught);
  const { code, statusCode } = caught as { code?: unknown; statusCode?: unknown };
  const details = { cause: caught };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new TransportError(413, 'config_invalid', 'the body is larger than this route takes', details);
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return notJson(details);
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') {
    return new HoldfastError('config_invalid', 'the body is empty', { ...details, hint: 'send at least {}' });
  }
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY' || (caught instanceof SyntaxError && statusCode === 400)) {
    return new HoldfastError('config_invalid', `the body is not JSON: ${caught.message}`, details);
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new HoldfastError('config_invalid', `the request cannot be read: ${caught.message}`, details);
  }
  return HoldfastError.from(caught);
}

export function notJson(details: ErrorDetails = {}): TransportError {
  return new TransportError(415, 'config_invalid', 'the body is not said to be JSON', {
    ...details,
    hint: 'send it with content-type: application/json',
  });
}

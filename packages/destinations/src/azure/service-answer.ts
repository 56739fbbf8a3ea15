import { RestError } from '@azure/storage-blob';

/** An answer of the service that says no. */
export interface ServiceAnswer {
  readonly status: number;
  /** As the service names what went wrong, `BlobNotFound`. */
  readonly code?: string;
  /** Its first line. */
  readonly text: string;
  readonly retryAfterMs?: number;
  /** The service's own time. */
  readonly dateMs?: number;
  /** Without the request, whose URL may hold a signature. */
  readonly cause: Error;
}

/** The service's answer, wherever in its chain of causes an error has it; undefined when there was none. */
export function answerOf(error: unknown): ServiceAnswer | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof RestError && at.statusCode !== undefined) return answer(at, at.statusCode);
  }
  return undefined;
}

function answer(error: RestError, status: number): ServiceAnswer {
  const headers = error.response?.headers;
  const details = error.details as { errorCode?: unknown; code?: unknown } | undefined;
  const code = [headers?.get('x-ms-error-code'), details?.errorCode, details?.code, error.code].find(
    (each): each is string => typeof each === 'string' && /^[A-Z][A-Za-z0-9]+$/.test(each),
  );
  const text = firstLine(error);
  const dateMs = Date.parse(headers?.get('date') ?? '');
  const retryAfterMs = waitOf((name) => headers?.get(name));
  const cause = new Error(`${status} ${code ?? ''} ${text}`.replaceAll(/\s+/g, ' '));
  return {
    status,
    text,
    cause,
    ...(code !== undefined && { code }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(!Number.isNaN(dateMs) && { dateMs }),
  };
}

function waitOf(header: (name: string) => string | undefined): number | undefined {
  const ms = header('x-ms-retry-after-ms') ?? header('retry-after-ms');
  if (ms !== undefined && /^[0-9]+$/.test(ms)) return Number(ms);
  const seconds = header('retry-after');
  return seconds !== undefined && /^[0-9]+$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}

/** Of what an error says, without the parameters of URLs: a signature is one. */
export function firstLine(error: Error): string {
  return (error.message.split('\n', 1)[0] ?? '').replaceAll(/\?\S+/g, '?…').slice(0, 300);
}

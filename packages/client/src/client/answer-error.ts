import { type ErrorCode, errorCodes, HoldfastError } from '@holdfast/core';
import { Unanswered } from './unanswered.ts';

/** The error that a server answered with. A code of a newer server counts by its status. */
export function answerError(status: number, text: string, server: string): HoldfastError {
  const { code, message, hint } = errorOf(text) ?? {};
  if (typeof message !== 'string') return foreignAnswer(status, server);
  const known = typeof code === 'string' && Object.hasOwn(errorCodes, code);
  const fallback: ErrorCode = status >= 500 ? 'unavailable' : 'precondition_failed';
  return new HoldfastError(known ? (code as ErrorCode) : fallback, message, {
    hint: typeof hint === 'string' ? hint : undefined,
  });
}

function errorOf(text: string): Record<string, unknown> | undefined {
  try {
    const error = (JSON.parse(text) as { error?: unknown } | null)?.error;
    return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Something between us and the server, or something else altogether, has answered. */
export function foreignAnswer(status: number, server: string): HoldfastError {
  const code = [502, 503, 504].includes(status) ? 'unavailable' : 'precondition_failed';
  const error = new HoldfastError(
    code,
    `what answers at ${server} (status ${status}) is not a Holdfast node`,
    { hint: 'is the address right, and is a proxy in between' },
  );
  // A proxy that found nobody, or no end of an answer.
  return code === 'unavailable' ? new Unanswered(error, true) : error;
}

const startHint = 'start it with holdfast start, or name another with --server';

/** What `fetch` and `node:https` throw: the one translator of this package, along the chain of causes. */
export function connectionError(caught: unknown, server: string): Unanswered {
  const isSent = !neverSent.test(codeOf(caught)) && deepestOf(caught) !== badPort;
  return new Unanswered(explained(caught, server), isSent);
}

/** Without a connection, no request. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$|CERT|SELF_SIGNED|UNABLE_TO_|ISSUER|^EPROTO|^ERR_SSL_/;

const badPort = 'bad port';

function deepestOf(caught: unknown): string {
  const deepest = causesOf(caught).at(-1);
  return deepest instanceof Error ? deepest.message : String(deepest);
}

function explained(caught: unknown, server: string): HoldfastError {
  const code = codeOf(caught);
  const details = { cause: caught };
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ISSUER/.test(code)) {
    return new HoldfastError('unauthenticated', `the certificate of ${server} is not trusted (${code})`, {
      ...details,
      hint: "name the authority that signed it (NODE_EXTRA_CA_CERTS=/path/to/ca.pem), and address the server by the certificate's name",
    });
  }
  if (/^(EPROTO|ERR_SSL_)/.test(code)) {
    return new HoldfastError('precondition_failed', `${server} speaks no TLS that we do (${code})`, {
      ...details,
      hint: 'is it http:// that was meant',
    });
  }
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code)) {
    return new HoldfastError('unavailable', `no Holdfast node answers at ${server} (${code})`, {
      ...details,
      hint: startHint,
    });
  }
  const what = code || deepestOf(caught);
  if (what === badPort) {
    return new HoldfastError(
      'config_invalid',
      `${server} has a port that fetch, as browsers do, never speaks to`,
      {
        ...details,
        hint: 'let the node listen on another one',
      },
    );
  }
  return new HoldfastError('unavailable', `the connection to ${server} broke: ${what}`, {
    ...details,
    hint: startHint,
  });
}

const causesMax = 5;

function codeOf(caught: unknown): string {
  for (const error of causesOf(caught)) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && code !== '') return code;
  }
  return '';
}

/** What was thrown, and what that was caused by, and so on. */
function causesOf(caught: unknown): unknown[] {
  const chain: unknown[] = [caught];
  for (let error = caught; error instanceof Error && chain.length < causesMax; ) {
    // What tried several addresses tells of each.
    error = error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined);
    if (error !== undefined) chain.push(error);
  }
  return chain;
}

import { abortError, type ErrorCode, HoldfastError } from '@holdfast/core';

/** What was being done, to say it in the error: `reading /public.orders`, and where. */
export interface ErrorContext {
  /** In a few words, as in `… failed: reading public.orders`. */
  readonly what: string;
  /** Server, as `describeHost` or `describeTarget` writes it. */
  readonly where?: string;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint?: string;
}

/** By SQLSTATE, or by its class (the first two characters) where all of a class mean the same. */
const meanings: Readonly<Record<string, Meaning>> = {
  '08': { code: 'unavailable' },
  '0A000': { code: 'unsupported' },
  '22023': { code: 'precondition_failed' },
  '25006': { code: 'precondition_failed', hint: 'the server takes no writes: it is a standby, or read only' },
  '28': {
    code: 'unauthenticated',
    hint: 'check user and password (in the URL, PGPASSWORD or ~/.pgpass) and the line for this host in the server’s pg_hba.conf',
  },
  '3B001': { code: 'source_failed' },
  '3D000': { code: 'not_found', hint: 'list the databases with: psql -l' },
  '3F000': { code: 'not_found' },
  '40': { code: 'source_failed', hint: 'the server chose another session over ours: run it again' },
  '42501': { code: 'permission_denied' },
  '42704': { code: 'not_found' },
  '42P01': { code: 'not_found' },
  '42710': { code: 'conflict' },
  '42P04': { code: 'conflict' },
  '53100': { code: 'exhausted', hint: 'the disk of the database server is full' },
  '53200': { code: 'exhausted' }, // the server's own hint says which setting to raise
  '53300': {
    code: 'exhausted',
    hint: 'the server has no connection left (max_connections): use fewer workers, or end idle sessions',
  },
  '53400': { code: 'exhausted', hint: 'a limit of the server’s configuration is reached' },
  '55000': { code: 'precondition_failed' },
  '55006': { code: 'conflict', hint: 'someone else is using it: wait, or end the other session' },
  '55P03': { code: 'timeout', hint: 'another session holds the lock: see pg_stat_activity' },
  '57014': {
    code: 'source_failed',
    hint: 'the server cancelled the statement (statement_timeout, or a person)',
  },
  '57P01': { code: 'source_failed', hint: 'the server shut down, or an administrator ended the session' },
  '57P02': { code: 'source_failed', hint: 'the server crashed and recovers: see its log' },
  '57P03': { code: 'unavailable', hint: 'the server starts up, shuts down or recovers: try again later' },
  '57P04': { code: 'source_failed', hint: 'the database was dropped' },
  '57P05': { code: 'source_failed' },
  '58': { code: 'source_failed', hint: 'the server could not read or write one of its files: see its log' },
  F0: { code: 'source_failed' },
  XX001: {
    code: 'source_failed',
    hint: 'the server found its own data damaged: see its log, and check the disk',
  },
  XX002: { code: 'source_failed', hint: 'the server found an index damaged: REINDEX it' },
};

/** By the error code of the operating system or of TLS. */
const systemMeanings: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: {
    code: 'unavailable',
    hint: 'nothing listens there: is the server running, and are host and port right?',
  },
  ENOENT: {
    code: 'unavailable',
    hint: 'there is no such socket: is the server running, and is the folder right?',
  },
  ENOTFOUND: {
    code: 'unavailable',
    hint: 'no address is known for the host name: check its spelling, and DNS',
  },
  EAI_AGAIN: { code: 'unavailable', hint: 'DNS does not answer' },
  EACCES: { code: 'permission_denied', hint: 'this user may not open the socket' },
  ETIMEDOUT: { code: 'unavailable', hint: 'the server does not answer: check host, port and firewall' },
  EHOSTUNREACH: { code: 'unavailable', hint: 'no route to the server: check host and network' },
  ENETUNREACH: { code: 'unavailable', hint: 'no route to the server: check host and network' },
  ECONNRESET: {
    code: 'source_failed',
    hint: 'the connection broke: see the server’s log, and the network between',
  },
  EPIPE: {
    code: 'source_failed',
    hint: 'the connection broke: see the server’s log, and the network between',
  },
};

/** A session that ended without being asked to: what `translate` makes of a connection's silent end. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** What an abort means: the reason that its maker gave, or that someone asked for it. */
export function fromAbort(signal: AbortSignal): HoldfastError {
  const { reason } = signal as { reason: unknown };
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new HoldfastError('timeout', 'the time for it has passed', { cause: reason });
  }
  return abortError(signal);
}

/** What the fields of a server's ErrorResponse are to us; `pg`'s DatabaseError has them too. */
export interface ServerErrorFields {
  readonly message: string;
  readonly code: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly where?: string | undefined;
}

export class ServerError extends Error implements ServerErrorFields {
  override readonly name = 'ServerError';
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly where: string | undefined;

  constructor(fields: ServerErrorFields) {
    super(fields.message);
    this.code = fields.code;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.where = fields.where;
  }
}

/** The only translator of what PostgreSQL, `pg`, sockets and TLS throw. A HoldfastError stays itself. */
export function translate(caught: unknown, context: ErrorContext): HoldfastError {
  const at = context.where ? ` at ${context.where}` : '';
  for (const error of causes(caught)) {
    if (error instanceof HoldfastError) return error;
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'string' && /^[0-9FHPX][0-9A-Z]{4}$/.test(code)) {
      return fromServer(error as Error & Partial<ServerErrorFields>, code, `${context.what}${at}`, caught);
    }
    if (typeof code === 'string' && systemMeanings[code]) {
      return new HoldfastError(systemMeanings[code].code, `${context.what}${at} failed: ${error.message}`, {
        hint: systemMeanings[code].hint,
        cause: caught,
      });
    }
    if (error.name === 'AbortError') return HoldfastError.from(error);
    if (typeof code === 'string' && /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(code)) {
      return new HoldfastError('unavailable', `${context.what}${at} failed: TLS: ${error.message}`, {
        hint: 'check sslmode and sslrootcert of the URL against the certificate of the server',
        cause: caught,
      });
    }
    if (error instanceof ConnectionLost || /^Connection terminated|timeout expired/.test(error.message)) {
      return new HoldfastError('source_failed', `${context.what}${at} failed: ${lowerFirst(error.message)}`, {
        hint: 'see the server’s log: it was shut down, it crashed, or the network between broke',
        cause: caught,
      });
    }
  }
  const message = caught instanceof Error ? caught.message : String(caught);
  if (/password must be a string|SASL|scram/i.test(message)) {
    return new HoldfastError('unauthenticated', `${context.what}${at} failed: ${lowerFirst(message)}`, {
      hint: 'the server asks for a password: give it in the URL, PGPASSWORD or ~/.pgpass',
      cause: caught,
    });
  }
  return new HoldfastError('internal', `${context.what}${at} failed: ${message}`, { cause: caught });
}

function fromServer(
  error: Error & Partial<ServerErrorFields>,
  sqlState: string,
  what: string,
  cause: unknown,
): HoldfastError {
  const meaning = meanings[sqlState] ?? meanings[sqlState.slice(0, 2)] ?? { code: 'source_failed' };
  const detail = error.detail ? ` (${error.detail})` : '';
  const words = sqlState.startsWith('28') && !error.message ? 'login refused' : error.message;
  return new HoldfastError(meaning.code, `${what} failed: ${words}${detail} [SQLSTATE ${sqlState}]`, {
    hint: meaning.hint ?? error.hint,
    cause,
  });
}

/** What a client program (pg_dump, pg_restore, psql) left on its standard error, as an error. */
export function fromProgram(
  program: string,
  exit: { readonly code: number | null; readonly signal: string | null; readonly where?: string },
  standardError: string,
): HoldfastError {
  const words = standardError
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^pg_dump: (detail|hint):/i.test(line))
    .join('; ');
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`;
  const found = programMeanings.find(([pattern]) => pattern.test(words));
  return new HoldfastError(
    found?.[1].code ?? 'source_failed',
    `${program}${exit.where === undefined ? '' : ` at ${exit.where}`} ${how}: ${words || 'no message'}`,
    {
      hint: found?.[1].hint,
    },
  );
}

/** Client programs print the server's words without its SQLSTATE; these are the ones that an operator can mend. */
const programMeanings: readonly (readonly [RegExp, Meaning])[] = [
  [/password authentication failed|no password supplied|no pg_hba\.conf entry/i, meanings['28'] as Meaning],
  [
    /permission denied|must be (owner|superuser)|query would be affected by row-level security/i,
    { code: 'permission_denied', hint: 'grant what is missing, or use a role with pg_read_all_data' },
  ],
  [/too many (clients|connections)|remaining connection slots/i, meanings['53300'] as Meaning],
  [/server version.*pg_dump version|aborting because of server version mismatch/is, { code: 'unsupported' }],
  [/canceling statement due to lock timeout/i, meanings['55P03'] as Meaning],
  [/database ".*" does not exist/i, meanings['3D000'] as Meaning],
  [
    /out of shared memory/i,
    {
      code: 'exhausted',
      hint: 'raise max_locks_per_transaction of the server: pg_dump locks every table while the view has them locked',
    },
  ],
  [/No space left on device/i, { code: 'exhausted', hint: 'a disk is full' }],
  [
    /server closed the connection|terminating connection|connection to server .* failed/i,
    {
      code: 'source_failed',
      hint: 'see the server’s log: it was shut down, it crashed, or the network between broke',
    },
  ],
];

function* causes(caught: unknown): Generator<Error> {
  let error = caught;
  for (let depth = 0; depth < 10 && error instanceof Error; depth++) {
    yield error;
    // Happy Eyeballs: several addresses were tried, and each has its own error.
    if (error instanceof AggregateError && error.errors[0] instanceof Error) yield error.errors[0];
    error = error.cause;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

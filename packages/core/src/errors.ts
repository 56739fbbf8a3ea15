/**
 * The one error that crosses package borders. Its code says what kind of thing went wrong, and decides, in one
 * switch, who is asked to act and which exit code a command ends with. `docs/errors.md` has a section per code.
 */
export const errorCodes = {
  config_invalid: { means: 'a field is missing, unknown or out of range', retry: false, blame: 'operator' },
  unauthenticated: { means: 'credentials refused', retry: false, blame: 'operator' },
  permission_denied: {
    means: 'credentials accepted, privilege missing',
    retry: false,
    blame: 'operator',
  },
  precondition_failed: {
    means: 'the world is not in the state that this call needs',
    retry: false,
    blame: 'operator',
  },
  unsupported: { means: 'this driver or server version cannot do that', retry: false, blame: 'operator' },
  cancelled: { means: 'someone asked us to stop', retry: false, blame: 'operator' },
  not_found: { means: 'the object, backup or task is not there', retry: false, blame: 'data' },
  out_of_range: { means: 'the bytes or the moment asked for do not exist', retry: false, blame: 'data' },
  corrupt: { means: 'bytes differ from what their manifest promises', retry: false, blame: 'data' },
  conflict: {
    means: 'a compare-and-set was lost: read again and decide',
    retry: false,
    blame: 'environment',
  },
  exhausted: { means: 'quota, disk or connections used up', retry: true, blame: 'environment' },
  unavailable: { means: 'could not reach it, or it said "later"', retry: true, blame: 'environment' },
  timeout: { means: 'our own deadline passed', retry: true, blame: 'environment' },
  source_failed: {
    means: 'the database or its tool gave up half way',
    retry: true,
    blame: 'environment',
  },
  lease_lost: { means: 'we may no longer act; someone else may', retry: true, blame: 'environment' },
  internal: { means: 'a state believed impossible', retry: false, blame: 'us' },
} as const satisfies Record<string, { means: string; retry: boolean; blame: Blame }>;

export type Blame = 'operator' | 'data' | 'environment' | 'us';
export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  /** The next step, for what an operator can mend. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** The other side said when to come again. */
  readonly retryAfterMs?: number | undefined;
}

/** The plain form in which an error travels between threads and processes. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** For whoever tries again in this process; not part of the record. */
  readonly retryAfterMs: number | undefined;
  /** The message without its leading code. */
  readonly reason: string;

  constructor(code: ErrorCode, reason: string, details: ErrorDetails = {}) {
    super(`[${code}] ${reason}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = reason;
    this.hint = details.hint;
    this.retryAfterMs = details.retryAfterMs;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retry;
  }

  get exitCode(): number {
    return exitCodeOf(this.code);
  }

  toRecord(): ErrorRecord {
    return { code: this.code, message: this.reason, hint: this.hint };
  }

  static fromRecord(record: ErrorRecord): HoldfastError {
    return new HoldfastError(record.code, record.message, { hint: record.hint });
  }

  /**
   * The only catch-all: a HoldfastError stays itself, an abort becomes `cancelled` (or the HoldfastError that is the
   * abort's reason), anything else is `internal`, because a driver's `errors.ts` should have translated it.
   */
  static from(caught: unknown): HoldfastError {
    if (caught instanceof HoldfastError) return caught;
    if (caught instanceof Error) {
      if (caught.name === 'AbortError') {
        if (caught.cause instanceof HoldfastError) return caught.cause;
        return new HoldfastError('cancelled', 'stopped on request', { cause: caught });
      }
      return new HoldfastError('internal', caught.message, { cause: caught });
    }
    return new HoldfastError('internal', String(caught), { cause: caught });
  }
}

/** 0 ok, 1 bug, 2 usage or configuration, 3 environment, 4 data, 130 stopped. */
export function exitCodeOf(code: ErrorCode): number {
  if (code === 'cancelled') return 130;
  switch (errorCodes[code].blame) {
    case 'us':
      return 1;
    case 'operator':
      return 2;
    case 'environment':
      return 3;
    case 'data':
      return 4;
  }
}

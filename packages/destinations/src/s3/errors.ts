import { HoldfastError } from '@holdfast/core';

/** What was being done when the server, or the way to it, refused. */
export interface S3Context {
  /** As a person may see the place. */
  readonly place: string;
  readonly bucket: string;
  readonly endpoint?: string | undefined;
  /** In words: `write a/key`. */
  readonly action: string;
  /** This machine's clock, to compare with the server's. */
  readonly nowMs: number;
}

interface Answer {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What else the answer's body said. */
  readonly said: Readonly<Record<string, unknown>>;
}

/** Foreign errors stop here. */
export function s3Error(error: unknown, context: S3Context): HoldfastError {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof HoldfastError) return at;
  const answer = answerOf(error);
  const { action, place } = context;
  const about = `could not ${action} in ${place}`;
  const told = { cause: error };
  return (
    connectionError(error, about, context) ??
    credentialError(answer, about, context, error) ??
    placeError(answer, about, context, error) ??
    laterError(answer, about, error) ??
    stateError(answer, about, error) ??
    (error instanceof Error && error.name === 'AbortError'
      ? HoldfastError.from(error)
      : new HoldfastError(
          'internal',
          `${about}: ${answer.name}${answer.status ? ` (HTTP ${answer.status})` : ''}${sentence(answer.message)}`,
          told,
        ))
  );
}

/** The name that the server gave the error; of answers without a body, none. */
export function s3ErrorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export function s3Status(error: unknown): number | undefined {
  return answerOf(error).status;
}

function answerOf(error: unknown): Answer {
  const known = (error ?? {}) as {
    name?: string;
    message?: string;
    Code?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
  };
  return {
    name: known.Code ?? known.name ?? 'Error',
    message: known.message ?? '',
    status: known.$metadata?.httpStatusCode ?? known.$response?.statusCode,
    headers: known.$response?.headers ?? {},
    said: known as Record<string, unknown>,
  };
}

function sentence(message: string): string {
  return message === '' || message === 'UnknownError' ? '' : `: ${message.slice(0, 300)}`;
}

function connectionError(error: unknown, about: string, context: S3Context): HoldfastError | undefined {
  const server = context.endpoint ?? 'Amazon S3';
  const code = systemCode(error);
  const make = (kind: 'unavailable' | 'config_invalid' | 'timeout', what: string, hint: string) =>
    new HoldfastError(kind, `${about}: ${what}`, { cause: error, hint });
  if (code && certificateCodes.includes(code)) {
    return new HoldfastError(
      'unauthenticated',
      `${about}: ${server} shows a certificate that is not trusted (${code})`,
      {
        cause: error,
        hint: 'name its authority with caFile=/path/ca.pem, or have the certificate mended',
      },
    );
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return new HoldfastError('unauthenticated', `${about}: the certificate of ${server} has expired`, {
      cause: error,
      hint: "have it renewed; if it is valid, this machine's clock is wrong",
    });
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new HoldfastError(
      'unauthenticated',
      `${about}: the certificate of ${server} is for another name`,
      {
        cause: error,
        hint: 'write the endpoint by a name that stands in its certificate; a bucket with dots needs pathStyle=true',
      },
    );
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return make(
        'unavailable',
        `the name of ${server} is not known`,
        'is the endpoint (or the region) written right, and does this machine resolve names?',
      );
    case 'ECONNREFUSED':
      return make(
        'unavailable',
        `nothing answers at ${server}`,
        'is the server running, and is the port of the endpoint right?',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return make(
        'unavailable',
        `${server} cannot be reached (${code})`,
        'see whether the network and the firewall let this machine through',
      );
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return make(
        'unavailable',
        `the connection to ${server} broke off (${code})`,
        'see whether the network and the server are well',
      );
    case 'ETIMEDOUT':
      return make(
        'unavailable',
        `${server} did not answer (${code})`,
        'see whether the network and the server are well',
      );
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return make(
        'config_invalid',
        `${server} does not speak TLS there`,
        'does the endpoint have to begin with http:// or name another port?',
      );
    default:
  }
  if (error instanceof Error && error.name === 'TimeoutError')
    return make('timeout', `${server} fell silent`, 'see whether the network and the server are well');
  if (error instanceof Error && error.name === 'CredentialsProviderError') {
    return new HoldfastError('unauthenticated', `${about}: no credentials were found`, {
      cause: error,
      hint: 'give accessKeyId and secretAccessKey, a profile, a credentials command, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment',
    });
  }
  if (error instanceof Error && /^Region is missing/.test(error.message)) {
    return new HoldfastError('config_invalid', `${about}: no region is named`, {
      cause: error,
      hint: 'add region=eu-central-1 (that of the bucket), or set AWS_REGION',
    });
  }
  return undefined;
}

const certificateCodes = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
];

function credentialError(
  answer: Answer,
  about: string,
  context: S3Context,
  cause: unknown,
): HoldfastError | undefined {
  const make = (reason: string, hint: string) =>
    new HoldfastError('unauthenticated', `${about}: ${reason}`, { cause, hint });
  switch (answer.name) {
    case 'InvalidAccessKeyId':
      return make('the server does not know this access key', 'is accessKeyId right, and for this server?');
    case 'SignatureDoesNotMatch':
      return make(
        'the secret does not belong to the access key',
        'is secretAccessKey right and whole? A + or / in a URL has to be written %2B or %2F',
      );
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
    case 'RequestExpired':
      return make(
        'the session token has expired',
        'take new temporary credentials, or name a credentials command that does so in time',
      );
    case 'InvalidToken':
      return make('the session token is not valid', 'give the sessionToken that came with these keys');
    case 'UserSuspended':
    case 'AccountProblem':
    case 'AllAccessDisabled':
    case 'NotSignedUp':
      return make(`the account may not be used (${answer.name})`, "ask the server's administrator");
    case 'RequestTimeTooSkewed': {
      const theirs = Date.parse(answer.headers.date ?? '');
      const minutes = Math.round(Math.abs(context.nowMs - theirs) / 60_000);
      const off = Number.isNaN(theirs)
        ? "this machine's clock differs too much from the server's"
        : `this machine's clock is ${minutes} minutes ${context.nowMs > theirs ? 'ahead of' : 'behind'} the server's`;
      return new HoldfastError('precondition_failed', `${about}: ${off}`, {
        cause,
        hint: 'set the clock: run a time service (systemd-timesyncd, chrony) on this machine',
      });
    }
    default:
      return undefined;
  }
}

function placeError(
  answer: Answer,
  about: string,
  context: S3Context,
  cause: unknown,
): HoldfastError | undefined {
  const region = answer.headers['x-amz-bucket-region'] ?? (answer.said.Region as string | undefined);
  switch (answer.name) {
    case 'NoSuchBucket':
      return new HoldfastError('precondition_failed', `${about}: there is no bucket ${context.bucket}`, {
        cause,
        hint: 'make the bucket, or name the right one, the right endpoint and the right account',
      });
    case 'InvalidBucketName':
      return new HoldfastError('config_invalid', `${about}: ${context.bucket} is no name of a bucket`, {
        cause,
      });
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
    case 'Redirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return elsewhere(about, context, region, cause);
    default:
  }
  if (answer.status === 301 || answer.status === 307 || (answer.status === 400 && region !== undefined))
    return elsewhere(about, context, region, cause);
  return undefined;
}

function elsewhere(
  about: string,
  { bucket }: S3Context,
  region: string | undefined,
  cause: unknown,
): HoldfastError {
  return new HoldfastError(
    'config_invalid',
    `${about}: the bucket ${bucket} is in ${region === undefined ? 'another region' : `the region ${region}`}`,
    { cause, hint: region === undefined ? "give the bucket's region" : `write region=${region}` },
  );
}

function laterError(answer: Answer, about: string, cause: unknown): HoldfastError | undefined {
  const { name, status, headers } = answer;
  const seconds = Number(headers['retry-after']);
  const retryAfterMs = seconds > 0 ? seconds * 1000 : undefined;
  if (
    ['QuotaExceeded', 'XMinioStorageFull', 'StorageFull', 'InsufficientCapacity'].includes(name) ||
    status === 507
  ) {
    return new HoldfastError('exhausted', `${about}: the quota is used up (${name})`, {
      cause,
      retryAfterMs,
      hint: 'raise the quota of the bucket or its owner, or let retention remove backups that are not needed',
    });
  }
  if (
    ['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody'].includes(name)
  ) {
    return new HoldfastError('unavailable', `${about}: the bytes arrived damaged (${name})`, {
      cause,
      hint: 'should it come again, something on the way changes bytes: a proxy, or the memory of this machine',
    });
  }
  const later = [
    'SlowDown',
    'ServiceUnavailable',
    'InternalError',
    'RequestTimeout',
    'OperationAborted',
    'Busy',
  ];
  if (later.includes(name) || status === 429 || (status !== undefined && status >= 500 && status !== 501)) {
    return new HoldfastError(
      'unavailable',
      `${about}: the server says "later" (${name}${status ? `, HTTP ${status}` : ''})`,
      {
        cause,
        retryAfterMs,
        hint: 'the server is busy or unwell; fewer transfers at once may help',
      },
    );
  }
  return undefined;
}

function stateError(answer: Answer, about: string, cause: unknown): HoldfastError | undefined {
  const { name, status, message } = answer;
  const make = (
    code: 'precondition_failed' | 'permission_denied' | 'unsupported' | 'config_invalid' | 'conflict',
    reason: string,
    hint: string,
  ) => new HoldfastError(code, `${about}: ${reason}`, { cause, hint });
  switch (name) {
    case 'InvalidObjectState':
      return make(
        'precondition_failed',
        'the object is in a cold storage class and cannot be read now',
        'have it thawed first; that takes minutes to days, see docs/destinations/s3.md',
      );
    case 'InvalidStorageClass':
      return make(
        'config_invalid',
        'the server does not have this storage class',
        'correct storageClass or manifestStorageClass',
      );
    case 'NotImplemented':
      return make(
        'unsupported',
        'the server cannot do that',
        'leave out what it does not know: sse, lockMode, tags, storageClass',
      );
    case 'KMS.DisabledException':
    case 'KMS.NotFoundException':
    case 'KMS.KMSInvalidStateException':
      return make(
        'precondition_failed',
        `the key for encryption cannot be used (${name})`,
        'see the state of kmsKeyId in KMS',
      );
    default:
  }
  if (/object lock/i.test(message) && (status === 403 || status === 400)) {
    return make(
      'permission_denied',
      `object lock refuses it (${message.slice(0, 200)})`,
      'locked objects stay until their time is over; lockMode needs a bucket that was made with object lock',
    );
  }
  if (status === 403) {
    return make(
      'permission_denied',
      `the server refuses it (${name === '403' ? 'AccessDenied' : name})`,
      'give the user the rights that docs/destinations/s3.md lists; object lock and legal holds refuse deletions as well',
    );
  }
  if (status === 401)
    return new HoldfastError('unauthenticated', `${about}: the credentials are refused (${name})`, {
      cause,
      hint: 'see accessKeyId and secretAccessKey',
    });
  if (name === 'PreconditionFailed' || status === 412)
    return make('conflict', 'the object is there already', 'another writer was first');
  if (status === 405)
    return make(
      'unsupported',
      `the server does not allow it (${name})`,
      'is the endpoint that of an S3 server?',
    );
  if (status === 400)
    return make(
      'config_invalid',
      `the server refuses the request (${name})${sentence(message)}`,
      'see the parameters of the URL: storageClass, sse, kmsKeyId, lockMode, region',
    );
  return undefined;
}

/** The system's code of an error, wherever in its chain of causes it is. */
function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
    if (at instanceof AggregateError && at.errors.length > 0) {
      const inner = systemCode(at.errors[0]);
      if (inner) return inner;
    }
  }
  return undefined;
}

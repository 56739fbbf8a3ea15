import { type ErrorCode, HoldfastError } from '@holdfast/core';
import { connectionError } from './connection-errors.ts';

/** What was being done when the server, or the way to it, refused. */
export interface S3Context {
  /** As a person may see the place. */
  readonly place: string;
  readonly bucket: string;
  readonly endpoint?: string | undefined;
  /** As the URL says it. */
  readonly region?: string | undefined;
  /** In words: `write a/key`. */
  readonly action: string;
  /** This machine's clock, to compare with the server's. */
  readonly nowMs: number;
}

interface Answer {
  /** As the server calls the error; of an answer without a body, what the client made of its status. */
  readonly name: string;
  /** Some servers give none. */
  readonly message: string;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What else the answer's body said. */
  readonly said: Readonly<Record<string, unknown>>;
}

type Words = readonly [code: ErrorCode, reason: string, hint: string];

/** Foreign errors stop here. */
export function s3Error(error: unknown, context: S3Context): HoldfastError {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof HoldfastError) return at;
  const about = `could not ${context.action} in ${context.place}`;
  const onTheWay = connectionError(error, about, context.endpoint);
  if (onTheWay) return onTheWay;
  const answer = answerOf(error);
  const words = placeWords(answer, context) ?? namedWords[answer.name] ?? statusWords(answer);
  if (words) {
    const [code, reason, hint] = words;
    const seconds = Number(answer.headers['retry-after']);
    const retryAfterMs = seconds > 0 ? seconds * 1000 : undefined;
    return new HoldfastError(code, `${about}: ${reason}`, { cause: error, hint, retryAfterMs });
  }
  if (error instanceof Error && error.name === 'AbortError') return HoldfastError.from(error);
  return new HoldfastError('internal', `${about}: ${answer.name}${sentence(answer.message)}`, {
    cause: error,
  });
}

/** As the server calls the error. */
export function s3ErrorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export function s3Status(error: unknown): number | undefined {
  return answerOf(error).status;
}

function answerOf(error: unknown): Answer {
  const known = (error ?? {}) as {
    readonly name?: string;
    readonly message?: string;
    readonly Code?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly statusCode?: number; readonly headers?: Record<string, string> };
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

const refused: Words = [
  'unauthenticated',
  'the credentials are refused',
  'see accessKeyId and secretAccessKey',
];
const tokenExpired: Words = [
  'unauthenticated',
  'the session token has expired',
  'take new temporary credentials, or name a credentials command that does so in time',
];
const suspended: Words = ['unauthenticated', 'the account may not be used', "ask the server's administrator"];
const full: Words = [
  'exhausted',
  'the quota is used up, or the store is full',
  'raise the quota of the bucket or its owner, or let retention remove backups that are not needed',
];
const damaged: Words = [
  'unavailable',
  'the bytes arrived damaged',
  'should it come again, something on the way changes bytes: a proxy, or the memory of this machine',
];
const busy: Words = [
  'unavailable',
  'the server says "later"',
  'the server is busy or unwell; fewer transfers at once may help',
];
const uploadGone: Words = [
  'unavailable',
  'what was sent so far is gone',
  'another writer of the same object, or a rule of the bucket that removes unfinished uploads, took it away',
];
const keyUnusable: Words = [
  'precondition_failed',
  'the key for encryption cannot be used',
  'see the state of kmsKeyId in KMS',
];

/** Sources: the S3 API reference, "Error responses", and what radosgw was seen to say. */
const namedWords: Readonly<Record<string, Words>> = {
  InvalidAccessKeyId: [
    'unauthenticated',
    'the server does not know this access key',
    'is accessKeyId right, and for this server?',
  ],
  SignatureDoesNotMatch: [
    'unauthenticated',
    'the secret does not belong to the access key',
    'is secretAccessKey right and whole? A + or / in a URL has to be written %2B or %2F',
  ],
  ExpiredToken: tokenExpired,
  ExpiredTokenException: tokenExpired,
  TokenRefreshRequired: tokenExpired,
  RequestExpired: tokenExpired,
  InvalidToken: [
    'unauthenticated',
    'the session token is not valid',
    'give the sessionToken that came with these keys',
  ],
  UserSuspended: suspended,
  AccountProblem: suspended,
  AllAccessDisabled: suspended,
  NotSignedUp: suspended,
  QuotaExceeded: full,
  XMinioStorageFull: full,
  InsufficientCapacity: full,
  BadDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
  XAmzContentChecksumMismatch: damaged,
  IncompleteBody: damaged,
  SlowDown: busy,
  ServiceUnavailable: busy,
  InternalError: busy,
  RequestTimeout: busy,
  OperationAborted: busy,
  NoSuchUpload: uploadGone,
  InvalidPart: uploadGone,
  InvalidObjectState: [
    'precondition_failed',
    'the object is in a cold storage class and cannot be read now',
    'have it thawed first; that takes minutes to days, see docs/destinations/s3.md',
  ],
  InvalidStorageClass: [
    'config_invalid',
    'the server does not have this storage class',
    'correct storageClass or manifestStorageClass',
  ],
  NotImplemented: [
    'unsupported',
    'the server cannot do that',
    'leave out what it does not know: sse, lockMode, tags, storageClass',
  ],
  'KMS.DisabledException': keyUnusable,
  'KMS.NotFoundException': keyUnusable,
  'KMS.KMSInvalidStateException': keyUnusable,
};

/** What depends on where and when it was asked. */
function placeWords({ name, headers, said, status, message }: Answer, context: S3Context): Words | undefined {
  const { bucket, nowMs } = context;
  if (name === 'NoSuchBucket') {
    const hint = 'make the bucket, or name the right one, the right endpoint and the right account';
    return ['precondition_failed', `there is no bucket ${bucket}`, hint];
  }
  if (name === 'RequestTimeTooSkewed') {
    const hint = 'set the clock: run a time service (systemd-timesyncd, chrony) on this machine';
    return ['precondition_failed', clockWords(nowMs, Date.parse(headers.date ?? '')), hint];
  }
  const region = headers['x-amz-bucket-region'] ?? (said.Region as string | undefined);
  const elsewhere = ['PermanentRedirect', 'TemporaryRedirect', 'AuthorizationHeaderMalformed'];
  // Answers without a body name no error; those of other kinds name the region as well, which is then the right one.
  const other =
    status === 400 &&
    region !== undefined &&
    region !== context.region &&
    /^(?:400|BadRequest|Unknown)/.test(name);
  if (elsewhere.includes(name) || status === 301 || status === 307 || other) {
    const [where, hint] = region
      ? [`the region ${region}`, `write region=${region}`]
      : ['another region', "give the bucket's region"];
    return ['config_invalid', `the bucket ${bucket} is in ${where}`, hint];
  }
  if (/object.?lock/i.test(message) && (status === 403 || status === 400)) {
    const hint =
      'locked objects stay until their time is over; lockMode needs a bucket made with object lock';
    return ['permission_denied', `object lock refuses it${sentence(message)}`, hint];
  }
  return undefined;
}

function clockWords(ours: number, theirs: number): string {
  if (Number.isNaN(theirs)) return "this machine's clock differs too much from the server's";
  const minutes = Math.round(Math.abs(ours - theirs) / 60_000);
  return `this machine's clock is ${minutes} minutes ${ours > theirs ? 'ahead of' : 'behind'} the server's`;
}

/** Errors whose names are not known, and answers without any. */
function statusWords({ name, status, message }: Answer): Words | undefined {
  const said = /^\d*$/.test(name) ? `HTTP ${status}` : `HTTP ${status}, ${name}`;
  switch (status) {
    case undefined:
      return undefined;
    case 400: {
      const hint = 'see the parameters of the URL: storageClass, sse, kmsKeyId, lockMode, region';
      return ['config_invalid', `the server refuses the request (${said})${sentence(message)}`, hint];
    }
    case 401:
      return refused;
    case 403: {
      const hint =
        'give the user the rights that docs/destinations/s3.md lists; object lock and legal holds refuse deletions as well';
      return ['permission_denied', `the server refuses it (${said})`, hint];
    }
    case 404: {
      const hint = 'is the bucket there, and is the endpoint that of an S3 server?';
      return ['precondition_failed', `the server knows nothing there (${said})`, hint];
    }
    case 405:
      return [
        'unsupported',
        `the server does not allow it (${said})`,
        'is the endpoint that of an S3 server?',
      ];
    case 412:
      return ['conflict', 'the object is there already', 'another writer was first'];
    case 429:
      return busy;
    case 501:
      return namedWords.NotImplemented;
    case 507:
      return full;
    default:
  }
  if (status >= 500) return ['unavailable', `the server says "later" (${said})`, busy[2]];
  // It began well, and cannot be read to its end.
  if (status < 300) {
    const hint =
      'see whether the network and the server are well, and whether the endpoint is that of an S3 server';
    return ['unavailable', 'the answer broke off or is not one of S3', hint];
  }
  return undefined;
}

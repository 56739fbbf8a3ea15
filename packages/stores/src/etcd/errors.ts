import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorCode, HoldfastError } from '@holdfast/core';
import { certificateError } from './certificate-errors.ts';

interface Known {
  readonly code: ErrorCode;
  readonly hint?: string;
  /** Instead of etcd's own words. */
  readonly reason?: string;
}

const noLeader: Known = {
  code: 'unavailable',
  reason: 'etcd has no leader, so no quorum of its members',
  hint: 'start the members that are down, or mend the network between them: more than half have to see one another',
};

/** What etcd says, and what it means for a store. Its texts are part of its API: clients tell errors by them. */
const bySaying: readonly (readonly [RegExp, Known])[] = [
  [/requested lease not found/, { code: 'lease_lost' }],
  [/required revision has been compacted/, { code: 'out_of_range' }],
  [
    /permission denied/,
    {
      code: 'permission_denied',
      hint: "let the user's role read and write the store's prefix: etcdctl role grant-permission ROLE --prefix=true readwrite PREFIX",
    },
  ],
  [
    /invalid user ID or password/,
    { code: 'unauthenticated', hint: 'correct the user or the password of the store' },
  ],
  [
    /user name is empty/,
    { code: 'unauthenticated', hint: 'this etcd demands a user: give the store one, with its password' },
  ],
  [
    /invalid auth token|revision of auth store is old/,
    { code: 'unauthenticated', hint: 'etcd refuses tokens that it has just given: see its log' },
  ],
  [
    /database space exceeded/,
    {
      code: 'exhausted',
      hint: 'make room in etcd: etcdctl compact REVISION, etcdctl defrag, then etcdctl alarm disarm; or raise --quota-backend-bytes',
    },
  ],
  [
    /too many requests/,
    { code: 'exhausted', hint: 'etcd is overloaded: see its disk and its other clients' },
  ],
  [
    /request is too large|received message larger than max/,
    { code: 'config_invalid', hint: "raise etcd's --max-request-bytes to its default of 1.5 MiB" },
  ],
  [
    /too many operations in txn/,
    { code: 'config_invalid', hint: "raise etcd's --max-txn-ops to its default of 128" },
  ],
  [/corrupt/, { code: 'corrupt', hint: 'repair etcd from its healthy members, or from a backup of it' }],
  [/no leader/, noLeader],
  [
    /request timed out, possibly due to (previous leader failure|connection lost)|raft proposal dropped/,
    noLeader,
  ],
];

const byCode: Readonly<Partial<Record<Code, ErrorCode>>> = {
  [Code.Unauthenticated]: 'unauthenticated',
  [Code.PermissionDenied]: 'permission_denied',
  [Code.ResourceExhausted]: 'exhausted',
  [Code.FailedPrecondition]: 'precondition_failed',
  [Code.Unimplemented]: 'unsupported',
  [Code.DataLoss]: 'corrupt',
};

const bySystem: Readonly<Record<string, Known>> = {
  ECONNREFUSED: { code: 'unavailable', reason: 'nobody listens there' },
  ENOTFOUND: { code: 'unavailable', reason: 'no such host' },
  EHOSTUNREACH: { code: 'unavailable' },
  EMFILE: { code: 'exhausted', hint: 'raise the limit of open files (ulimit -n)' },
};

export interface ErrorContext {
  /** What was tried, as in: could not … */
  readonly what: string;
  readonly url: string;
  /** Whether there has ever been an answer from there. */
  readonly isEtcd?: boolean;
}

/** Foreign errors stop here. */
export function etcdError(caught: unknown, o: ErrorContext): HoldfastError {
  const tell = (known: Known, message: string): HoldfastError =>
    new HoldfastError(known.code, `could not ${o.what} at ${o.url}: ${known.reason ?? message}`, {
      hint: known.hint,
      cause: caught,
    });
  // The innermost error knows best: what wraps it has often nothing but a code of its own.
  let outermost: ConnectError | undefined;
  for (let at: unknown = caught; at instanceof Error; at = at.cause) {
    if (at instanceof HoldfastError) return at;
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string') {
      const certificate = certificateError(code, at, o);
      if (certificate) return certificate;
      if (/^E[A-Z0-9]+$/.test(code)) return tell(bySystem[code] ?? { code: 'unavailable' }, at.message);
    }
    if (at instanceof ConnectError) outermost ??= at;
  }
  if (!outermost) {
    return new HoldfastError('internal', `could not ${o.what}: ${HoldfastError.from(caught).reason}`, {
      cause: caught,
    });
  }
  const { rawMessage } = outermost;
  const known = bySaying.find(([saying]) => saying.test(rawMessage))?.[1];
  if (known) return tell(known, rawMessage);
  // A server that expects TLS ends a connection that begins otherwise, and says nothing that we could read.
  const foreign = o.url.startsWith('http:') && o.isEtcd === false;
  const hint = 'if that member has TLS its URL begins with https://';
  // Whatever else goes wrong in etcd or on the way to it may be over the next time.
  return tell({ code: byCode[outermost.code] ?? 'unavailable', ...(foreign && { hint }) }, rawMessage);
}

/** The token that came with the call is not, or no longer, good: one who logs in anew may repeat it. */
export function isStaleToken(caught: unknown): boolean {
  return says(caught, /invalid auth token|revision of auth store is old|user name is empty/);
}

/** Users and passwords are switched off. */
export function isWithoutUsers(caught: unknown): boolean {
  return says(caught, /authentication is not enabled/);
}

/** Said before anything is done, so that another member may be asked to do it. */
export function isTurnedAway(caught: unknown): boolean {
  return says(caught, /^etcdserver: no leader$|learner/);
}

function says(caught: unknown, saying: RegExp): boolean {
  return caught instanceof ConnectError && saying.test(caught.rawMessage);
}

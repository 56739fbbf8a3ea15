import { HoldfastError } from '@holdfast/core';
import { networkError } from './network-errors.ts';
import { isRefused, refusalError } from './refusals.ts';
import { answerOf, type ServiceAnswer } from './service-answer.ts';

/** What was being done when the service refused, and where. */
export interface AzureContext {
  /** The destination, as a person may see it. */
  readonly description: string;
  readonly container: string;
  /** Scheme and host of the endpoint, its path included. */
  readonly endpoint: string;
  /** In words: `write task/chain/file`. */
  readonly action: string;
  /** The shared access signature that was sent, for when it ends. Never shown. */
  readonly sasToken?: string | undefined;
  readonly nowMs: number;
}

/** The service did not accept the credentials; newer ones may do better. */
export function isStale(error: unknown): boolean {
  const answer = answerOf(error);
  return answer !== undefined && isRefused(answer);
}

/** The credentials were not accepted, or may not do this. */
export function isRefusal(error: unknown): boolean {
  const answer = answerOf(error);
  return answer !== undefined && (answer.status === 401 || answer.status === 403);
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = answerOf(error)?.code;
  return code !== undefined && codes.includes(code);
}

/** There is no such object; a missing container is something else. */
export function isMissing(error: unknown): boolean {
  const answer = answerOf(error);
  if (answer?.status !== 404) return false;
  // An answer to HEAD may have nothing but its status.
  return answer.code === undefined || answer.code === 'BlobNotFound';
}

/** The condition of a request was not met: somebody else's object is there. */
export function isConflict(error: unknown): boolean {
  return isCode(
    error,
    'BlobAlreadyExists',
    'ConditionNotMet',
    'TargetConditionNotMet',
    'UploadConditionNotMet',
  );
}

/** Foreign errors stop here. Says what was found, where, and what to do about it. */
export function azureError(error: unknown, context: AzureContext): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const answer = answerOf(error);
  const about = `could not ${context.action} in ${context.description}`;
  if (!answer) return networkError(error, { ...context, about });
  const said = { ...context, about: `${about} (${answer.code ?? `status ${answer.status}`})` };
  return refusalError(answer, said) ?? stateError(answer, said) ?? laterError(answer, said);
}

export interface AzureSaid extends AzureContext {
  readonly about: string;
}

/** The world is not in the state that the request needs. */
function stateError(
  answer: ServiceAnswer,
  { about, container, endpoint }: AzureSaid,
): HoldfastError | undefined {
  const { code = '', status, cause } = answer;
  if (/^(?:BlobAlreadyExists|(?:Target|Upload)?ConditionNotMet)$/.test(code))
    return new HoldfastError('conflict', `${about}: it is already there`, { cause });
  if (code === 'InvalidRange') return new HoldfastError('out_of_range', about, { cause });
  if (code === 'ContainerNotFound') {
    return new HoldfastError('precondition_failed', `${about}: there is no container ${container}`, {
      cause,
      hint: `create it: az storage container create --name ${container} --blob-endpoint ${endpoint}`,
    });
  }
  if (code === 'BlobNotFound') return new HoldfastError('not_found', about, { cause });
  if (status === 404 || code === 'ResourceNotFound' || code === 'AccountNotFound') {
    return new HoldfastError('precondition_failed', `${about}: ${endpoint} knows no such storage account`, {
      cause,
      hint: 'see whether account and endpoint are spelled as in the portal',
    });
  }
  if (code === 'BlobArchived' || code === 'BlobBeingRehydrated') {
    const thawing = code === 'BlobBeingRehydrated';
    return new HoldfastError(
      'precondition_failed',
      `${about}: it is in the archive tier${thawing ? ' and being thawed' : ''}`,
      {
        cause,
        hint: thawing
          ? 'wait until it is thawed: up to 15 hours'
          : 'have it thawed first (holdfast restore --thaw standard); that takes hours, see docs/destinations/azure.md',
      },
    );
  }
  if (/Immutab|LegalHold/.test(code)) {
    return new HoldfastError('permission_denied', `${about}: it is immutable by a policy or a legal hold`, {
      cause,
      hint: 'wait until the policy ends, or remove the legal hold; retention should keep objects at least as long as the policy does',
    });
  }
  if (/^Lease|^SnapshotsPresent$/.test(code)) {
    return new HoldfastError(
      'precondition_failed',
      `${about}: somebody has leased it or made snapshots of it`,
      {
        cause,
        hint: `look at it in container ${container}: release the lease, or delete its snapshots`,
      },
    );
  }
  if (code === 'InvalidBlobOrBlock') {
    return new HoldfastError(
      'precondition_failed',
      `${about}: another program has left blocks of its own there`,
      {
        cause,
        hint: 'delete the object, or wait a week: the service then drops blocks that belong to no object',
      },
    );
  }
  if (/^(?:AccessTier|BlobTier|UnsupportedHeader|Feature|BlobAccessTier|BlobTypeNotSupported)/.test(code)) {
    return new HoldfastError('unsupported', `${about}: this kind of account cannot do that`, {
      cause,
      hint: 'tiers and immutability want a general-purpose v2 account; leave out tier, immutableDays and legalHold',
    });
  }
  return undefined;
}

/** It may go better another time; or nobody knows. */
function laterError(answer: ServiceAnswer, { about, container }: AzureSaid): HoldfastError {
  const { code = '', status, cause, text, retryAfterMs } = answer;
  if (/AtSizeLimit$|^InsufficientStorage|^AccountLimit|Quota/.test(code) || status === 507) {
    return new HoldfastError('exhausted', `${about}: the store is full`, {
      cause,
      retryAfterMs,
      hint: 'delete what is no longer wanted, or raise the limit of the account',
    });
  }
  if (/Md5Mismatch|Crc64Mismatch|MD5 doesn't match/i.test(`${code} ${text}`)) {
    return new HoldfastError('unavailable', `${about}: the bytes arrived other than they were sent`, {
      cause,
      hint: 'something on the way changes them: look at proxies, network cards and memory',
    });
  }
  if (code === 'InvalidBlockList') {
    return new HoldfastError('unavailable', `${about}: blocks that were sent are gone`, {
      cause,
      hint: 'another write or delete of the same object was quicker',
    });
  }
  if (code === 'ContainerBeingDeleted' || code === 'ContainerDisabled') {
    return new HoldfastError('unavailable', `${about}: container ${container} is being deleted`, { cause });
  }
  if (status >= 500 || status === 429 || status === 408) {
    return new HoldfastError('unavailable', `${about}: the service says to come again later`, {
      cause,
      retryAfterMs,
      hint: 'if it goes on, see the status of Azure and the limits of the account',
    });
  }
  return new HoldfastError('internal', `${about}: ${text}`, { cause });
}

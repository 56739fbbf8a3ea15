import { HoldfastError } from '@holdfast/core';
import type { AzureSaid } from './errors.ts';
import { sasExpiresAtMs, sasStartsAtMs } from './sas-token.ts';
import type { ServiceAnswer } from './service-answer.ts';

/** The service allows clocks to differ by 15 minutes; said from here on. */
const skewMsMin = 5 * 60_000;

const refused =
  /^(?:AuthenticationFailed|AuthorizationFailure|InvalidAuthenticationInfo|NoAuthenticationInformation)$/;

/** The credentials themselves were not accepted: others, of the same rights, may be. */
export function isRefused({ code = '', status }: ServiceAnswer): boolean {
  return status === 401 || refused.test(code);
}

/** What only differs in what is to be done about it. */
const missing: Readonly<Record<string, string>> = {
  AuthorizationPermissionMismatch:
    'give the SAS token the permissions that are missing (rcwdl), or the identity the role Storage Blob Data Contributor',
  AuthorizationResourceTypeMismatch:
    'make the account SAS for resource types container and object (srt=co), or a SAS of the container',
  AuthorizationServiceMismatch: 'make the account SAS for blobs (ss=b)',
  AuthorizationProtocolMismatch: 'the SAS token is for HTTPS only: use an endpoint with https://',
  AuthorizationSourceIPMismatch: 'the SAS token is for other addresses than this machine has (sip)',
  KeyBasedAuthenticationNotPermitted:
    'the account allows no access by key: use identity, or a SAS token made with a user delegation key',
  PublicAccessNotPermitted: 'the request carried no credentials that the account takes',
  InsufficientAccountPermissions:
    'the credentials do not cover this operation: see the rights of the account',
  AccountIsDisabled: 'the account is disabled: see its state and its bill in the portal',
};

/** Credentials that were not accepted, or may not do this. */
export function refusalError(answer: ServiceAnswer, said: AzureSaid): HoldfastError | undefined {
  const { code = '', status, cause } = answer;
  const hint = missing[code];
  if (hint !== undefined) return new HoldfastError('permission_denied', said.about, { cause, hint });
  if (!refused.test(code) && status !== 401 && status !== 403) return undefined;
  const { why, hint: advice } = likelyCause(answer, said);
  return new HoldfastError('unauthenticated', `${said.about}: ${why}`, { cause, hint: advice });
}

function likelyCause(
  answer: ServiceAnswer,
  said: AzureSaid,
): { readonly why: string; readonly hint: string } {
  const { dateMs } = answer;
  // Between two clocks only to say that they differ, never to decide anything.
  const skewMs = dateMs === undefined ? 0 : said.nowMs - dateMs;
  if (Math.abs(skewMs) >= skewMsMin) {
    const minutes = Math.round(Math.abs(skewMs) / 60_000);
    return {
      why: `the clock of this machine is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the service's`,
      hint: 'set the clock (timedatectl set-ntp true): requests of another time are refused',
    };
  }
  if (said.sasToken === undefined) {
    return {
      why: 'the credentials were refused',
      hint: 'see whether the key belongs to this account and is not an old one (keys are rotated), and whether the firewall of the account lets this machine in',
    };
  }
  const atMs = dateMs ?? said.nowMs;
  const endsMs = sasExpiresAtMs(said.sasToken);
  if (endsMs !== undefined && endsMs <= atMs) {
    return {
      why: `the SAS token expired at ${new Date(endsMs).toISOString()}`,
      hint: 'make a new one, or let a credentials command make them',
    };
  }
  const startsMs = sasStartsAtMs(said.sasToken);
  if (startsMs !== undefined && startsMs > atMs) {
    return {
      why: `the SAS token holds only from ${new Date(startsMs).toISOString()} on`,
      hint: 'make it without a beginning, or with one some minutes ago',
    };
  }
  return {
    why: 'the SAS token was refused',
    hint: 'see whether it was copied whole and is for this account and container, whether the key that signed it was rotated, and whether the firewall of the account lets this machine in',
  };
}

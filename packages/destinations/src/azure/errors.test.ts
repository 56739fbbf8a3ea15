import { RestError } from '@azure/storage-blob';
import { HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { azureError } from './errors.ts';

const context = {
  description: 'azure://backups/ at acct1.blob.core.windows.net',
  container: 'backups',
  endpoint: 'https://acct1.blob.core.windows.net',
  action: 'write k',
  nowMs: Date.parse('2026-01-01T12:00:00Z'),
};

function answered(statusCode: number, code: string, message = code): RestError {
  return new RestError(message, { statusCode, code });
}

function systemError(code: string, message = `${code} it says`): Error {
  return Object.assign(new Error(message), { code });
}

describe('an error of Azure', () => {
  test.each([
    [409, 'BlobAlreadyExists', 'conflict'],
    [412, 'ConditionNotMet', 'conflict'],
    [404, 'BlobNotFound', 'not_found'],
    [404, 'ContainerNotFound', 'precondition_failed'],
    [404, 'ResourceNotFound', 'precondition_failed'],
    [416, 'InvalidRange', 'out_of_range'],
    [403, 'AuthenticationFailed', 'unauthenticated'],
    [403, 'AuthorizationFailure', 'unauthenticated'],
    [401, 'InvalidAuthenticationInfo', 'unauthenticated'],
    [403, 'AuthorizationPermissionMismatch', 'permission_denied'],
    [403, 'KeyBasedAuthenticationNotPermitted', 'permission_denied'],
    [409, 'BlobImmutableDueToPolicy', 'permission_denied'],
    [409, 'BlobArchived', 'precondition_failed'],
    [412, 'LeaseIdMissing', 'precondition_failed'],
    [409, 'SnapshotsPresent', 'precondition_failed'],
    [400, 'InvalidBlobOrBlock', 'precondition_failed'],
    [400, 'InvalidBlockList', 'unavailable'],
    [400, 'Md5Mismatch', 'unavailable'],
    [409, 'ContainerBeingDeleted', 'unavailable'],
    [503, 'ServerBusy', 'unavailable'],
    [500, 'InternalError', 'unavailable'],
    [429, 'TooManyRequests', 'unavailable'],
    [409, 'MemoryExtentStoreAtSizeLimit', 'exhausted'],
    [507, 'InsufficientStorage', 'exhausted'],
    [400, 'AccessTierNotSupportedForBlobType', 'unsupported'],
    [400, 'WhateverThatIs', 'internal'],
  ] as const)('%i %s is told as such', (status, code, ours) => {
    const told = azureError(answered(status, code), context);
    expect(told).toMatchObject({
      code: ours,
      reason: expect.stringContaining('could not write k in azure://backups/'),
    });
    expect(told.reason).toMatch(/^[a-z]/);
    expect(told.reason).toContain(code);
  });

  test.each([
    ['ECONNREFUSED', 'unavailable'],
    ['ECONNRESET', 'unavailable'],
    ['ETIMEDOUT', 'unavailable'],
    ['EAI_AGAIN', 'unavailable'],
    ['ENOTFOUND', 'unavailable'],
    ['REQUEST_SEND_ERROR', 'unavailable'],
    ['CERT_HAS_EXPIRED', 'precondition_failed'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'precondition_failed'],
    // Of what reads the body, not of a connection.
    ['EIO', 'internal'],
  ] as const)('without an answer, %s is told as such', (code, ours) => {
    expect(azureError(new RestError('x', { code }), context).code).toBe(ours);
    expect(azureError(systemError(code), context).code).toBe(ours);
  });

  test('of a name that nobody has asks whether the account is spelled right', () => {
    expect(azureError(systemError('ENOTFOUND'), context).hint).toContain('account is spelled');
  });

  test('of a connection that ended early is unavailable, whoever noticed', () => {
    for (const message of [
      'Data corruption failure: received less data than required and reached maxRetires limitation.',
      'socket hang up',
      'aborted',
    ])
      expect(azureError(new Error(message), context).code).toBe('unavailable');
  });

  test('never shows a signature, in its words or in its causes', () => {
    const url = 'https://acct1.blob.core.windows.net/backups/k?sv=1&sig=c2VjcmV0';
    for (const error of [
      new RestError(`could not reach ${url}`, { code: 'ECONNRESET' }),
      new RestError(`refused ${url}`, { statusCode: 400, code: 'Whatever' }),
      systemError('ECONNRESET', `at ${url}`),
      new Error(`something about ${url}`),
    ]) {
      const told = azureError(error, { ...context, sasToken: 'sv=1&sig=c2VjcmV0' });
      const causes = [told, told.cause].map((each) => `${(each as Error | undefined)?.message}`).join();
      expect(`${causes} ${told.hint}`).not.toContain('c2VjcmV0');
    }
  });

  test('that is ours already stays itself', () => {
    const ours = new HoldfastError('source_failed', 'the dump ended early');
    expect(azureError(ours, context)).toBe(ours);
  });

  test('of a SAS token says whether it has expired, or does not hold yet', () => {
    const refused = answered(403, 'AuthenticationFailed');
    const told = (sasToken: string) => azureError(refused, { ...context, sasToken }).reason;
    expect(told('se=2026-01-01T11%3A00%3A00Z&sig=x')).toContain('expired at 2026-01-01T11:00:00.000Z');
    expect(told('st=2026-01-01T13%3A00%3A00Z&se=2027-01-01&sig=x')).toContain('holds only from');
    expect(told('se=2027-01-01&sig=x')).toContain('was refused');
  });
});

import { HoldfastError } from '@holdfast/core';
import { parseConnectionString } from './connection-string.ts';
import { normalSas } from './sas-token.ts';

/** Where the account is, and how one is let in. Plain data, with secrets in it. */
export interface AzureAccess {
  /** Of the account's blobs, without a slash at its end. */
  readonly endpoint: string;
  readonly account?: string;
  readonly accountKey?: string;
  /** Without a question mark. */
  readonly sasToken?: string;
  readonly identity?: 'default' | 'managed';
  /** Of a managed identity that the machine has beside others. */
  readonly clientId?: string;
}

/** The fields of a URL, or of what a credentials command printed. */
export interface AccessFields {
  readonly account?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly accountKey?: string | undefined;
  readonly sasToken?: string | undefined;
  readonly connectionString?: string | undefined;
  readonly identity?: string | undefined;
  readonly clientId?: string | undefined;
}

const ways = ['accountKey', 'sasToken', 'connectionString', 'identity'] as const;

/**
 * Exactly one way of credentials, or, where a program will give them, none.
 * @throws HoldfastError config_invalid
 */
export function accessOf(said: AccessFields, commanded: boolean): AzureAccess | undefined {
  const given = ways.filter((way) => said[way] !== undefined);
  if (given.length > 1) throw invalid(`${given.join(' and ')} are two ways to be let in`, 'give one of them');
  const [way] = given;
  if (said.clientId !== undefined && way !== 'identity')
    throw invalid('clientId says nothing without identity', 'add identity=managed, or leave clientId out');
  if (said.account !== undefined && !/^[a-z0-9]{3,24}$/.test(said.account))
    throw invalid(
      `not a name of a storage account: ${JSON.stringify(said.account)}`,
      'accounts have 3 to 24 small letters and digits: the part before .blob.core.windows.net',
    );
  const endpoint = endpointOf(said);
  if (way === undefined) {
    if (commanded) return undefined;
    throw invalid(
      'no credentials for the storage account',
      `give one of ${ways.join(', ')}, or a credentials command`,
    );
  }
  if (way === 'connectionString') return ofConnectionString(said);
  if (endpoint === undefined) throw noAccount();
  switch (way) {
    case 'accountKey':
      if (said.account === undefined) throw noAccount();
      return { endpoint, account: said.account, accountKey: keyOf(said.accountKey ?? '') };
    case 'sasToken':
      return { endpoint, sasToken: normalSas(said.sasToken ?? '') };
    case 'identity':
      return { endpoint, ...identityOf(said) };
  }
}

function ofConnectionString(said: AccessFields): AzureAccess {
  if (said.account !== undefined || said.endpoint !== undefined) {
    throw invalid(
      'connectionString beside account or endpoint',
      'a connection string names both: leave account and endpoint out',
    );
  }
  const { endpoint, account, accountKey, sasToken } = parseConnectionString(said.connectionString ?? '');
  if (accountKey !== undefined && account !== undefined)
    return { endpoint, account, accountKey: keyOf(accountKey) };
  return { endpoint, sasToken: normalSas(sasToken ?? '') };
}

function identityOf({ identity, clientId }: AccessFields): Pick<AzureAccess, 'identity' | 'clientId'> {
  if (identity !== 'default' && identity !== 'managed')
    throw invalid(`identity=${identity} is not known`, 'identity is default or managed');
  return { identity, ...(clientId !== undefined && { clientId }) };
}

function endpointOf({ endpoint, account }: AccessFields): string | undefined {
  if (endpoint === undefined) return account && `https://${account}.blob.core.windows.net`;
  const url = URL.parse(endpoint);
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash;
  if (!plain) {
    throw invalid(
      `not an endpoint: ${JSON.stringify(endpoint.replace(/[?@].*/s, '…'))}`,
      'write it as endpoint=https://NAME.blob.core.chinacloudapi.cn, with https:// and without parameters',
    );
  }
  return url.href.replace(/\/+$/, '');
}

/** A + that was not encoded in a URL has become a blank. */
function keyOf(text: string): string {
  const key = text.replaceAll(/[\r\n\t]/g, '').replaceAll(' ', '+');
  if (/^[A-Za-z0-9+/]{20,}={0,2}$/.test(key) && key.length % 4 === 0) return key;
  throw invalid(
    'the account key is not base64',
    'copy it whole, from "Access keys" of the storage account; in a URL + is written %2B and = %3D',
  );
}

function noAccount(): HoldfastError {
  return invalid(
    'the storage account is not named',
    'add account=NAME; endpoint=https://… as well where it is not at NAME.blob.core.windows.net',
  );
}

function invalid(reason: string, hint: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, { hint });
}

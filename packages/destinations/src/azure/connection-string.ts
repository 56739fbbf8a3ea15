import { HoldfastError } from '@holdfast/core';

export interface ConnectionString {
  /** Of blobs, without a slash at its end. */
  readonly endpoint: string;
  readonly account?: string;
  readonly accountKey?: string;
  readonly sasToken?: string;
}

/**
 * A connection string as the portal shows it: `Name=Value` between semicolons, of which the values may hold `=`.
 * @throws HoldfastError config_invalid, which does not quote it
 */
export function parseConnectionString(text: string): ConnectionString {
  const fields = new Map<string, string>();
  for (const part of text.trim().split(';')) {
    const at = part.indexOf('=');
    if (at > 0) fields.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const account = fields.get('accountname');
  const accountKey = fields.get('accountkey');
  const sasToken = fields.get('sharedaccesssignature');
  if (!sasToken && !(account && accountKey)) {
    throw invalid('has neither AccountName and AccountKey nor SharedAccessSignature');
  }
  const suffix = fields.get('endpointsuffix') ?? 'core.windows.net';
  const scheme = fields.get('defaultendpointsprotocol') ?? 'https';
  const endpoint = fields.get('blobendpoint') ?? (account && `${scheme}://${account}.blob.${suffix}`);
  if (!endpoint) throw invalid('has neither BlobEndpoint nor AccountName');
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol)) throw invalid('has a BlobEndpoint that is no URL');
  return {
    endpoint: (url.origin + url.pathname).replace(/\/+$/, ''),
    // The token comes first where there are both, as in what a signature was made for.
    ...(sasToken ? { sasToken } : { ...(account && { account }), ...(accountKey && { accountKey }) }),
  };
}

function invalid(why: string): HoldfastError {
  return new HoldfastError('config_invalid', `the connection string ${why}`, {
    hint: 'copy it whole, from "Access keys" of the storage account; in a URL it is encoded: ; as %3B, & as %26, + as %2B',
  });
}

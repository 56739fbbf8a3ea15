import { type ErrorCode, HoldfastError } from '@holdfast/core';

type Words = readonly [code: ErrorCode, what: (server: string, code: string) => string, hint: string];

const trust: Words = [
  'unauthenticated',
  (server, code) => `${server} shows a certificate that is not trusted (${code})`,
  'name its authority with caFile=/path/ca.pem, or have the certificate mended',
];
const name: Words = [
  'unavailable',
  (server) => `the name of ${server} is not known`,
  'is the endpoint (or the region) written right, and does this machine resolve names?',
];
const way: Words = [
  'unavailable',
  (server, code) => `${server} cannot be reached (${code})`,
  'see whether the network and the firewall let this machine through',
];
const broken: Words = [
  'unavailable',
  (server, code) => `the connection to ${server} broke off (${code})`,
  'see whether the network and the server are well',
];
const plain: Words = [
  'config_invalid',
  (server) => `${server} does not speak TLS there`,
  'does the endpoint have to begin with http://, or name another port?',
];

const words: Readonly<Record<string, Words>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: trust,
  SELF_SIGNED_CERT_IN_CHAIN: trust,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: trust,
  UNABLE_TO_GET_ISSUER_CERT: trust,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: trust,
  CERT_NOT_YET_VALID: trust,
  CERT_REVOKED: trust,
  CERT_UNTRUSTED: trust,
  CERT_HAS_EXPIRED: [
    'unauthenticated',
    (server) => `the certificate of ${server} has expired`,
    "have it renewed; if it is valid, this machine's clock is wrong",
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'unauthenticated',
    (server) => `the certificate of ${server} is for another name`,
    'write the endpoint by a name that stands in its certificate; a bucket with dots needs pathStyle=true',
  ],
  ENOTFOUND: name,
  EAI_AGAIN: name,
  ECONNREFUSED: [
    'unavailable',
    (server) => `nothing answers at ${server}`,
    'is the server running, and is the port of the endpoint right?',
  ],
  EHOSTUNREACH: way,
  ENETUNREACH: way,
  EADDRNOTAVAIL: way,
  ECONNRESET: broken,
  ECONNABORTED: broken,
  EPIPE: broken,
  ETIMEDOUT: broken,
  EPROTO: plain,
  ERR_SSL_WRONG_VERSION_NUMBER: plain,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: plain,
};

/** What went wrong on the way to the server, or before it; undefined when the server was asked and answered. */
export function connectionError(
  error: unknown,
  about: string,
  endpoint: string | undefined,
): HoldfastError | undefined {
  const server = endpoint ?? 'Amazon S3';
  const system = systemCode(error);
  const known = words[system ?? ''];
  if (system !== undefined && known) {
    const [code, what, hint] = known;
    return new HoldfastError(code, `${about}: ${what(server, system)}`, { cause: error, hint });
  }
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'TimeoutError') {
    return new HoldfastError('timeout', `${about}: ${server} fell silent`, {
      cause: error,
      hint: 'see whether the network and the server are well',
    });
  }
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    return new HoldfastError('unauthenticated', `${about}: no credentials were found`, {
      cause: error,
      hint: 'give accessKeyId and secretAccessKey, a profile, a credentials command, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment',
    });
  }
  if (/^Region is missing/.test(error.message)) {
    return new HoldfastError('config_invalid', `${about}: no region is named`, {
      cause: error,
      hint: 'add region=… (that of the bucket, such as eu-central-1), or set AWS_REGION',
    });
  }
  return undefined;
}

/** The system's code of an error, wherever in its chain of causes it is. */
function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
    // Several addresses were tried.
    const first: unknown = at instanceof AggregateError ? at.errors[0] : undefined;
    if (first !== undefined) return systemCode(first);
  }
  return undefined;
}

import { HoldfastError } from '@holdfast/core';
import type { FtpLocation } from './url.ts';

const untrusted = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_CA',
];

/** What is wrong with the certificate that the server shows, or with TLS at all; undefined for another error. */
export function certificateError(
  code: string,
  cause: Error,
  { host, port, security }: Pick<FtpLocation, 'host' | 'port' | 'security'>,
): HoldfastError | undefined {
  if (untrusted.includes(code)) {
    return refuse(`the certificate of ${host} is signed by nobody who is trusted (${code})`, cause, {
      hint: 'name the authority that signed it: caFile=/path/to/ca.pem; or pin the certificate itself: fingerprint=SHA256:…, as openssl x509 -noout -fingerprint -sha256 prints it on the server',
    });
  }
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return refuse(`the certificate of ${host} has expired (${code})`, cause, {
        hint: 'renew it on the server; if it is not old, look at the clock of this machine',
      });
    case 'CERT_NOT_YET_VALID':
      return refuse(`the certificate of ${host} is not valid yet (${code})`, cause, {
        hint: 'look at the clocks of this machine and of the one that made it',
      });
    case 'CERT_REVOKED':
      return refuse(`the certificate of ${host} was revoked`, cause, { hint: 'give the server a new one' });
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const { cert } = cause as Error & { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
      const names = cert?.subjectaltname ?? cert?.subject?.CN ?? 'nobody';
      return refuse(`the certificate that ${host} shows is made out to ${names} (${code})`, cause, {
        hint: 'address the server by a name of its certificate, or say which one is meant: serverName=…',
      });
    }
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return new HoldfastError('unsupported', `port ${port} of ${host} does not answer in TLS (${code})`, {
        cause,
        hint:
          security === 'implicit'
            ? 'leave implicit=true out, unless the port expects TLS from the first byte (usually 990)'
            : 'see whether the server has TLS switched on',
      });
    default:
      if (!code.startsWith('ERR_SSL') && !code.startsWith('ERR_TLS')) return undefined;
      return new HoldfastError('unavailable', `no TLS connection to ${host} (${code}): ${cause.message}`, {
        cause,
        hint: 'the server has to know TLS 1.2 or 1.3, and ciphers of today',
      });
  }
}

function refuse(reason: string, cause: Error, { hint }: { readonly hint: string }): HoldfastError {
  return new HoldfastError('unauthenticated', reason, { cause, hint });
}

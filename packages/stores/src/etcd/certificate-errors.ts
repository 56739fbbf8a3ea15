import { HoldfastError } from '@holdfast/core';

const nobodyKnows =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE|INVALID_CA)/;
const alert =
  /ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN)/;

/** What is wrong with a certificate, or with TLS at all; undefined for another error. */
export function certificateError(
  code: string,
  cause: Error,
  o: { readonly url: string; readonly isEtcd?: boolean },
): HoldfastError | undefined {
  const { url } = o;
  const refuse = (reason: string, hint: string): HoldfastError =>
    new HoldfastError('unauthenticated', `${reason} (${code})`, { cause, hint });
  if (nobodyKnows.test(code)) {
    return refuse(
      `the certificate of ${url} is signed by nobody who is trusted`,
      'give the store the authority that signed it: tls.ca',
    );
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    const what = code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet';
    return refuse(
      `the certificate of ${url} ${what}`,
      'renew it on that member; if its dates are right, look at the clock of this machine',
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { cert } = cause as Error & { cert?: { subjectaltname?: string } };
    return refuse(
      `the certificate that ${url} shows is made out to ${cert?.subjectaltname ?? 'nobody'}`,
      'address the member by a name of its certificate',
    );
  }
  if (alert.test(code)) {
    return refuse(
      `${url} does not accept this store's certificate`,
      'give the store a certificate that the authority of the members has signed: tls.cert and tls.key',
    );
  }
  if (/^(ECONNRESET|EPIPE|EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/.test(code)) {
    // Of one that has been known to answer it says only that the connection broke.
    if (o.isEtcd || !url.startsWith('https:')) return undefined;
    return new HoldfastError('unavailable', `${url} does not answer in TLS (${code})`, {
      cause,
      hint: 'if that member has no TLS its URL begins with http://',
    });
  }
  if (!/^ERR_(SSL|TLS)/.test(code)) return undefined;
  return new HoldfastError('unavailable', `no TLS connection to ${url} (${code}): ${cause.message}`, {
    cause,
  });
}

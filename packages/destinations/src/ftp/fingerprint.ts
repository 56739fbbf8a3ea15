import { createHash } from 'node:crypto';
import { HoldfastError } from '@holdfast/core';

/**
 * The SHA-256 of a certificate, as hexadecimal digits, from any of the forms in which tools print it: `SHA256:` and then
 * base64, or digits with or without colons.
 * @throws HoldfastError config_invalid
 */
export function parseFingerprint(text: string): string {
  // In a URL's query a + that was not encoded is read as a blank.
  const value = text.replace(/^sha-?256[:=]/i, '').replaceAll(' ', '+');
  const digits = value.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  if (/^[A-Za-z0-9+/]{43}=?$/.test(value)) return Buffer.from(value, 'base64').toString('hex');
  throw new HoldfastError('config_invalid', `${JSON.stringify(text)} is no fingerprint of a certificate`, {
    hint: 'write SHA256: and 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 prints them',
  });
}

/** Of a certificate in DER. */
export function fingerprintOf(certificate: Uint8Array): string {
  return createHash('sha256').update(certificate).digest('hex');
}

/** As openssl prints it, which `parseFingerprint` reads back. */
export function printFingerprint(digits: string): string {
  return `SHA256:${(digits.toUpperCase().match(/../g) ?? []).join(':')}`;
}

import type { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import type { Digest } from './checksums.ts';

/**
 * Puts the SHA-256 of the body under the signature, where it is known anyway: any server of S3 compares it. Otherwise
 * the client leaves the body out of the signature, and its other checksum, which is signed, stands for it.
 */
export function payloadHash<C extends PutObjectCommand | UploadPartCommand>(command: C, digest: Digest): C {
  const { kind, value } = digest;
  if (kind !== 'sha256' || value === undefined) return command;
  const hex = Buffer.from(value, 'base64').toString('hex');
  // Both kinds of commands have the same stack, but the checker cannot call a union of two.
  (command as PutObjectCommand).middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      headers['x-amz-content-sha256'] = hex;
      return next(args);
    },
    { step: 'build', name: 'payloadHash' },
  );
  return command;
}

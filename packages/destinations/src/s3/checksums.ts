import { createHash, type Hash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { HoldfastError } from '@holdfast/core';
import { isAmazon } from './client.ts';
import type { S3Location } from './url.ts';

/** What is sent along with bytes, for the server to compare with what it stores. */
export type ChecksumKind = 'md5' | 'sha256' | 'crc32' | 'none';

export interface Digest {
  readonly kind: ChecksumKind;
  readonly bytes: number;
  /** Base64, as the headers want it; absent for `none`. */
  readonly value?: string;
}

/** What a server says of an object or a part that it stored. */
export interface StoredSums {
  readonly ETag?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/**
 * Amazon compares with SHA-256 and keeps it; other servers know MD5 by the header that S3 began with, and many of them
 * ignore the newer ones.
 */
export function checksumKind({ checksum, endpoint }: S3Location): ChecksumKind {
  if (checksum !== 'auto') return checksum;
  return isAmazon(endpoint) ? 'sha256' : 'md5';
}

/** Digests bytes as they come. */
export class Digester {
  readonly #kind: ChecksumKind;
  readonly #hash: Hash | undefined;
  #crc32 = 0;
  #bytes = 0;

  constructor(kind: ChecksumKind) {
    this.#kind = kind;
    this.#hash = kind === 'md5' || kind === 'sha256' ? createHash(kind) : undefined;
  }

  update(data: Uint8Array): void {
    this.#bytes += data.length;
    this.#hash?.update(data);
    if (this.#kind === 'crc32') this.#crc32 = crc32(data, this.#crc32);
  }

  /** Once, when all has come. */
  digest(): Digest {
    const [kind, bytes] = [this.#kind, this.#bytes];
    if (this.#hash) return { kind, bytes, value: this.#hash.digest('base64') };
    if (kind !== 'crc32') return { kind, bytes };
    const value = Buffer.alloc(4);
    value.writeUInt32BE(this.#crc32);
    return { kind, bytes, value: value.toString('base64') };
  }
}

export function digestOf(kind: ChecksumKind, data: Uint8Array): Digest {
  const digester = new Digester(kind);
  digester.update(data);
  return digester.digest();
}

/** The fields of a request that carry a digest. */
export function digestFields({ kind, value }: Digest) {
  if (value === undefined) return {};
  if (kind === 'md5') return { ContentMD5: value };
  return kind === 'sha256' ? { ChecksumSHA256: value } : { ChecksumCRC32: value };
}

/** The digest among them is kept by the server with each part, if it knows this kind. */
export function algorithmFields(kind: ChecksumKind) {
  if (kind !== 'sha256' && kind !== 'crc32') return {};
  return { ChecksumAlgorithm: kind === 'sha256' ? ('SHA256' as const) : ('CRC32' as const) };
}

/**
 * Whether what the server stored is what was sent; undefined when what it says is not comparable.
 */
export function isSame(digest: Digest, stored: StoredSums): boolean | undefined {
  const { kind, value } = digest;
  if (kind === 'sha256' && stored.ChecksumSHA256 !== undefined) return stored.ChecksumSHA256 === value;
  if (kind === 'crc32' && stored.ChecksumCRC32 !== undefined) return stored.ChecksumCRC32 === value;
  if (kind !== 'md5' || value === undefined) return undefined;
  const md5 = md5OfTag(stored);
  return md5 === undefined ? undefined : md5 === Buffer.from(value, 'base64').toString('hex');
}

/** The MD5 that an entity tag is, in hex: not of what is encrypted with a key of its own, nor of several parts. */
export function md5OfTag(stored: StoredSums): string | undefined {
  if (stored.SSECustomerAlgorithm !== undefined || stored.ServerSideEncryption?.startsWith('aws:kms'))
    return undefined;
  return /^"?([0-9a-f]{32})"?$/i.exec(stored.ETag ?? '')?.[1]?.toLowerCase();
}

/** The entity tag that an object gets which is put together from parts of these MD5s (base64). */
export function tagOfParts(md5s: readonly string[]): string {
  const all = Buffer.concat(md5s.map((each) => Buffer.from(each, 'base64')));
  return `"${hash('md5', all, 'hex')}-${md5s.length}"`;
}

export function storedOtherBytes(what: string, place: string): HoldfastError {
  return new HoldfastError('unavailable', `${place} stored other bytes than were sent as ${what}`, {
    hint: 'should it come again, the server (or a proxy before it) changes bytes; one whose ETag is no MD5 needs checksum=sha256 or none',
  });
}

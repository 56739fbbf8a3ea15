import { HoldfastError } from '@holdfast/core';
import { partsOf } from '../keys.ts';
import { readParameters } from '../parameters.ts';
import { defaultPartBytes, partBytesMax, partBytesMin } from './part-plan.ts';

export type ChecksumChoice = 'auto' | 'md5' | 'sha256' | 'crc32' | 'none';

/** Everything that the URL says; plain data, which crosses threads. */
export interface S3Location {
  readonly bucket: string;
  /** What all keys in the bucket begin with: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
  /** Of what is not written `hot`; absent is the bucket's own default. */
  readonly storageClass?: string;
  readonly manifestStorageClass: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  readonly profile?: string;
  readonly sse?: 'AES256' | 'aws:kms';
  readonly kmsKeyId?: string;
  readonly lockMode?: 'GOVERNANCE' | 'COMPLIANCE';
  readonly lockDays?: number;
  readonly legalHold?: boolean;
  /** As the header wants them: `a=b&c=d`, encoded. */
  readonly tagging?: string;
  readonly partBytes: number;
  readonly checksum: ChecksumChoice;
  readonly caFile?: string;
}

export const s3Parameters = [
  'endpoint',
  'region',
  'pathStyle',
  'storageClass',
  'manifestStorageClass',
  'accessKeyId',
  'secretAccessKey',
  'sessionToken',
  'profile',
  'sse',
  'kmsKeyId',
  'lockMode',
  'lockDays',
  'legalHold',
  'tags',
  'partSize',
  'checksum',
  'caFile',
] as const;

type Parameters = Partial<Record<(typeof s3Parameters)[number], string>>;

const where = 'S3 as destination';
const mebibyte = 1_048_576;
const tagsMax = 10;

/**
 * `s3://bucket/prefix?endpoint=…`
 * @throws HoldfastError config_invalid
 */
export function parseS3Url(url: string): S3Location {
  const match = /^s3:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/is.exec(url);
  if (!match) throw invalid('the URL is not one of S3', 'write s3://bucket/prefix?region=eu-central-1');
  const [, authority = '', path = '', query = ''] = match;
  if (authority.includes('@') || authority.includes(':')) {
    throw invalid(
      'an S3 URL holds no user, password or port before its bucket',
      'write s3://bucket/prefix?accessKeyId=…&secretAccessKey=…, and a server of your own as endpoint=https://host:port',
    );
  }
  const said = readParameters(query, s3Parameters, where);
  const location = {
    bucket: bucketOf(authority),
    prefix: prefixOf(path),
    partBytes: partBytesOf(said.partSize),
    checksum: choice(said, 'checksum', ['auto', 'md5', 'sha256', 'crc32', 'none'] as const) ?? 'auto',
    manifestStorageClass: storageClass(said, 'manifestStorageClass') ?? 'STANDARD',
    endpoint: endpointOf(said.endpoint),
    region: text(said, 'region', /^[a-z0-9-]+$/i),
    pathStyle: truth(said, 'pathStyle'),
    storageClass: storageClass(said, 'storageClass'),
    profile: text(said, 'profile'),
    caFile: text(said, 'caFile'),
    tagging: taggingOf(said.tags),
    ...keysOf(said),
    ...encryptionOf(said),
    ...lockOf(said),
  };
  return Object.fromEntries(
    Object.entries(location).filter(([, value]) => value !== undefined),
  ) as unknown as S3Location;
}

function bucketOf(name: string): string {
  if (name === '') throw invalid('the URL names no bucket', 'write s3://bucket/prefix');
  // Also what access points and servers with looser rules call their buckets.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(name)) {
    throw invalid(
      `${JSON.stringify(name)} is not the name of a bucket`,
      'bucket names have 3 to 63 small letters, digits, hyphens and dots',
    );
  }
  return name;
}

function prefixOf(path: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    throw invalid(
      `${path} has a % that is not followed by two digits`,
      'write a per cent sign in a prefix as %25',
    );
  }
  const prefix = decoded.replace(/^\//, '').replace(/\/$/, '');
  if (prefix === '') return '';
  partsOf(prefix);
  return `${prefix}/`;
}

function endpointOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password || url.search) {
    throw invalid(
      'endpoint is not the URL of a server',
      'write endpoint=https://s3.example.com or endpoint=http://127.0.0.1:9000',
    );
  }
  return url.href.replace(/\/$/, '');
}

function partBytesOf(given: string | undefined): number {
  if (given === undefined) return defaultPartBytes;
  const bytes = /^\d{1,4}$/.test(given) ? Number(given) * mebibyte : 0;
  if (bytes < partBytesMin || bytes > partBytesMax) {
    throw invalid(`partSize=${given} is no size of a part`, 'give it in MiB, from 5 to 5120');
  }
  return bytes;
}

function keysOf(said: Parameters) {
  const { accessKeyId, secretAccessKey, sessionToken, profile } = said;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw invalid(
      'accessKeyId and secretAccessKey belong together, and one of them is missing',
      'give both, or neither: then environment, profile and the machine’s role are asked',
    );
  }
  if (accessKeyId === '' || secretAccessKey === '') {
    throw invalid('accessKeyId or secretAccessKey is empty', 'is the variable that it comes from set?');
  }
  if (sessionToken !== undefined && accessKeyId === undefined) {
    throw invalid('sessionToken is there without accessKeyId', 'a session token belongs to a pair of keys');
  }
  if (profile !== undefined && accessKeyId !== undefined) {
    throw invalid('profile and accessKeyId are both there', 'give one of the two');
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

function encryptionOf(said: Parameters) {
  const sse = choice(said, 'sse', ['AES256', 'aws:kms'] as const);
  const kmsKeyId = text(said, 'kmsKeyId');
  if (kmsKeyId !== undefined && sse !== 'aws:kms')
    throw invalid('kmsKeyId is there without sse=aws:kms', 'add sse=aws:kms');
  return { sse, kmsKeyId };
}

function lockOf(said: Parameters) {
  const lockMode = choice(said, 'lockMode', ['GOVERNANCE', 'COMPLIANCE'] as const);
  const { lockDays } = said;
  if ((lockMode === undefined) !== (lockDays === undefined))
    throw invalid('lockMode and lockDays belong together, and one of them is missing', 'give both');
  if (lockDays !== undefined && !/^[1-9]\d{0,4}$/.test(lockDays))
    throw invalid(`lockDays=${lockDays} is no number of days`, 'give a whole number from 1 to 99999');
  const legalHold = choice(said, 'legalHold', ['on'] as const) === 'on' ? true : undefined;
  return { lockMode, lockDays: lockDays === undefined ? undefined : Number(lockDays), legalHold };
}

function taggingOf(tags: string | undefined): string | undefined {
  if (tags === undefined) return undefined;
  const pairs = tags.split(',').map((pair) => {
    const [name = '', ...rest] = pair.split('=');
    const value = rest.join('=');
    if (name === '' || rest.length === 0 || name.length > 128 || value.length > 256) {
      throw invalid(
        `tags holds ${JSON.stringify(pair)}, which is no tag`,
        'write tags=name%3Dvalue%2Cname%3Dvalue, encoded as here',
      );
    }
    return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  });
  if (pairs.length > tagsMax)
    throw invalid(`${pairs.length} tags are too many`, `S3 keeps ${tagsMax} of an object`);
  return pairs.join('&');
}

function storageClass(said: Parameters, name: 'storageClass' | 'manifestStorageClass') {
  const value = text(said, name, /^[A-Z0-9_]+$/);
  if (name === 'manifestStorageClass' && value !== undefined && ['GLACIER', 'DEEP_ARCHIVE'].includes(value)) {
    throw invalid(
      `manifestStorageClass=${value} has to be thawed before it can be read`,
      'manifests are read by every run: choose STANDARD, STANDARD_IA or GLACIER_IR',
    );
  }
  return value;
}

function truth(said: Parameters, name: 'pathStyle'): boolean | undefined {
  const value = choice(said, name, ['true', 'false'] as const);
  return value === undefined ? undefined : value === 'true';
}

function choice<T extends string>(
  said: Parameters,
  name: (typeof s3Parameters)[number],
  values: readonly T[],
): T | undefined {
  const value = said[name];
  if (value === undefined) return undefined;
  const found = values.find((each) => each === value);
  if (found === undefined) throw invalid(`${name}=${value} is not known`, `it can be ${values.join(' or ')}`);
  return found;
}

function text(
  said: Parameters,
  name: (typeof s3Parameters)[number],
  pattern: RegExp = /./s,
): string | undefined {
  const value = said[name];
  if (value !== undefined && !pattern.test(value)) {
    const what = value === '' ? 'is empty' : 'is not written as it has to be';
    throw invalid(`${name} ${what}`, `see the table of parameters in docs/destinations/s3.md`);
  }
  return value;
}

function invalid(reason: string, hint: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, { hint });
}

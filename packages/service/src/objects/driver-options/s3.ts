import { absolutePath, choice, flag, group, list, secret, text, whole } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const accessKeyId = '$' + '{env:AWS_ACCESS_KEY_ID}';
const secretAccessKey = '$' + '{env:AWS_SECRET_ACCESS_KEY}';

function storageClass(help: string) {
  return text({
    help,
    label: 'storage class',
    expected: 'a storage class such as STANDARD_IA',
    pattern: /^[A-Z0-9_]+$/,
  });
}

const fields = group(
  {
    bucket: text({
      help: 'the bucket, which has to be there',
      expected: 'the name of a bucket: letters, digits, hyphens and dots',
      pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/,
    }),
    prefix: text({
      help: 'what the names of all objects begin with; none by default',
      expected: 'a relative path such as holdfast/production',
      check: (value) =>
        value.split('/').some((part) => ['', '.', '..'].includes(part))
          ? 'expected a relative path such as holdfast/production, without empty parts'
          : undefined,
    }).optional(),
    endpoint: text({
      help: "the server, unless it is Amazon's",
      label: 'URL',
      expected: 'a URL such as https://s3.example.com',
      pattern: /^https?:\/\/[^\s?#@]+$/,
    }).optional(),
    region: text({
      help: "the bucket's region; that of the environment or the profile unless said",
      expected: 'a region such as eu-central-1',
      pattern: /^[A-Za-z0-9-]+$/,
    }).optional(),
    pathStyle: flag(
      "the bucket stands in the path, not in the host's name; true unless said where there is an `endpoint`",
    ).optional(),
    accessKeyId: text({
      help: 'wants `secretAccessKey`; without the two: environment, profile, the role of the machine',
      expected: `an access key or a placeholder such as ${accessKeyId}`,
    }).optional(),
    secretAccessKey: secret('the secret of the access key').optional(),
    sessionToken: secret('of temporary keys').optional(),
    profile: text({
      help: 'a profile of ~/.aws/config; not beside `accessKeyId`',
      expected: 'the name of a profile',
    }).optional(),
    storageClass: storageClass("of data; the bucket's default unless said").optional(),
    manifestStorageClass: storageClass('of what must be readable at once; STANDARD by default').optional(),
    sse: choice(['AES256', 'aws:kms'], 'the server encrypts what it stores').optional(),
    kmsKeyId: text({
      help: 'the key; wants `sse: aws:kms`',
      expected: 'the name or ARN of a key',
    }).optional(),
    lockMode: choice(['GOVERNANCE', 'COMPLIANCE'], 'object lock; wants `lockDays`').optional(),
    lockDays: whole([1, 99_999], 'for so many days nothing that was written can be deleted').optional(),
    legalHold: flag('puts a legal hold on everything that is written').optional(),
    tags: list(
      text({
        help: 'a tag',
        expected: 'name=value, without commas',
        pattern: /^[^=,]{1,128}=[^,]{0,256}$/,
      }),
      { help: 'of everything that is written', expected: 'tags such as team=blue', most: 10 },
    ).optional(),
    partSize: whole(
      [5, 5120],
      'of the parts in which large objects are sent, in MiB; 16 by default',
    ).optional(),
    checksum: choice(
      ['auto', 'md5', 'sha256', 'crc32', 'none'],
      'what the server compares with what it stored; auto by default',
    ).optional(),
    caFile: absolutePath('authorities to trust, as PEM', '/etc/ssl/own-ca.pem').optional(),
  },
  'A bucket of Amazon S3, or of a server that speaks its protocol',
).superRefine((declared, context) => {
  const issue = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  const wants = (name: keyof typeof declared, other: keyof typeof declared): void => {
    if (declared[name] !== undefined && declared[other] === undefined)
      issue(other, `is missing: ${name} wants it`);
  };
  wants('accessKeyId', 'secretAccessKey');
  wants('secretAccessKey', 'accessKeyId');
  wants('sessionToken', 'accessKeyId');
  wants('lockMode', 'lockDays');
  wants('lockDays', 'lockMode');
  if (declared.kmsKeyId !== undefined && declared.sse !== 'aws:kms')
    issue('kmsKeyId', 'says nothing without sse: aws:kms');
  if (declared.profile !== undefined && declared.accessKeyId !== undefined)
    issue('profile', 'is there beside accessKeyId: expected one of the two');
});

export const s3Options = driverOptions({
  declared: fields,
  toUrl: ({ bucket, prefix = '', ...rest }) => `s3://${bucket}/${encodePath(prefix)}${parametersOf(rest)}`,
  // The same bucket name on two servers is two places.
  placeOf: ({ bucket, prefix = '', endpoint = 'amazon' }) =>
    `s3:${endpoint.replace(/\/+$/, '').toLowerCase()}/${bucket}/${prefix}`,
  example: {
    bucket: 'backups',
    prefix: 'holdfast',
    region: 'eu-central-1',
    accessKeyId,
    secretAccessKey,
    storageClass: 'STANDARD_IA',
  },
});

type Value = string | number | boolean | readonly string[] | undefined;

function parametersOf(declared: Readonly<Record<string, Value>>): string {
  const pairs = Object.entries(declared).flatMap(([name, value]) => {
    // A legal hold is on, or not spoken of.
    if (value === undefined || (name === 'legalHold' && value === false)) return [];
    if (name === 'legalHold') return ['legalHold=on'];
    const text = Array.isArray(value) ? value.join(',') : String(value);
    // A placeholder stays as it is written: its value is encoded when it is filled in.
    return [`${name}=${text.startsWith('${') ? text : encodeURIComponent(text)}`];
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

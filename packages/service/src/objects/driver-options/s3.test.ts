import { parseS3Url } from '@holdfast/destinations/s3';
import { describe, expect, test } from 'vitest';
import { s3Options } from './s3.ts';

const { declared, toUrl, placeOf, example } = s3Options;
const secretAccessKey = '$' + '{env:SECRET}';

describe('a bucket that is declared by fields', () => {
  test('becomes the URL that the driver reads', () => {
    const fields = declared.parse({
      bucket: 'backups',
      prefix: 'a b/c',
      endpoint: 'https://s3.example.com:9000',
      region: 'eu-west-1',
      pathStyle: false,
      accessKeyId: 'KEY',
      secretAccessKey,
      storageClass: 'STANDARD_IA',
      sse: 'aws:kms',
      kmsKeyId: 'arn:aws:kms:eu-west-1:1:key/2',
      lockMode: 'GOVERNANCE',
      lockDays: 30,
      legalHold: true,
      tags: ['team=blue & red', 'kind=backup'],
      partSize: 32,
      checksum: 'sha256',
      caFile: '/etc/ca.pem',
    });
    const url = toUrl(fields);
    expect(url).toContain(`secretAccessKey=${secretAccessKey}`);
    expect(parseS3Url(url.replace(secretAccessKey, 'geheim'))).toEqual({
      bucket: 'backups',
      prefix: 'a b/c/',
      endpoint: 'https://s3.example.com:9000',
      region: 'eu-west-1',
      pathStyle: false,
      accessKeyId: 'KEY',
      secretAccessKey: 'geheim',
      storageClass: 'STANDARD_IA',
      manifestStorageClass: 'STANDARD',
      sse: 'aws:kms',
      kmsKeyId: 'arn:aws:kms:eu-west-1:1:key/2',
      lockMode: 'GOVERNANCE',
      lockDays: 30,
      legalHold: true,
      tagging: 'team=blue%20%26%20red&kind=backup',
      partBytes: 32 * 1_048_576,
      checksum: 'sha256',
      caFile: '/etc/ca.pem',
    });
  });

  test('the example can be declared', () => {
    expect(toUrl(declared.parse(example))).toMatch(/^s3:\/\/backups\/holdfast\?region=eu-central-1&/);
  });

  test('is the same place whoever comes and however it is kept, but another one on another server', () => {
    const place = (fields: object) => placeOf(declared.parse({ bucket: 'b-b', prefix: 'p', ...fields }));
    expect(place({ region: 'eu-west-1', storageClass: 'GLACIER' })).toBe(place({}));
    expect(place({ endpoint: 'https://S3.example.com/' })).toBe(
      place({ endpoint: 'https://s3.example.com' }),
    );
    expect(place({ endpoint: 'https://s3.example.com' })).not.toBe(place({}));
    expect(place({ prefix: 'q' })).not.toBe(place({}));
  });

  test('fields that miss or exclude one another are told', () => {
    for (const [fields, path] of [
      [{ accessKeyId: 'KEY' }, 'secretAccessKey'],
      [{ secretAccessKey }, 'accessKeyId'],
      [{ lockDays: 3 }, 'lockMode'],
      [{ kmsKeyId: 'k' }, 'kmsKeyId'],
      [{ profile: 'p', accessKeyId: 'KEY', secretAccessKey }, 'profile'],
      [{ secretAccessKey: 'literal', accessKeyId: 'KEY' }, 'secretAccessKey'],
      [{ prefix: '/a' }, 'prefix'],
      [{ tags: ['no-value'] }, 'tags'],
    ] as const) {
      const { error } = declared.safeParse({ bucket: 'backups', ...fields });
      expect(
        error?.issues.map((each) => each.path[0]),
        JSON.stringify(fields),
      ).toContain(path);
    }
  });
});

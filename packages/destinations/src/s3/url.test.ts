import { HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { parseS3Url } from './url.ts';

function refusalOf(url: string): HoldfastError {
  try {
    parseS3Url(url);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
  }
  throw new Error(`${url} was not refused`);
}

describe('the URL of a bucket', () => {
  test('names the bucket, and what its keys begin with', () => {
    const rest = { partBytes: 16 * 1_048_576, checksum: 'auto', manifestStorageClass: 'STANDARD' };
    expect(parseS3Url('s3://backups')).toEqual({ bucket: 'backups', prefix: '', ...rest });
    expect(parseS3Url('s3://backups/')).toEqual({ bucket: 'backups', prefix: '', ...rest });
    expect(parseS3Url('S3://backups/a/b%20c/')).toEqual({ bucket: 'backups', prefix: 'a/b c/', ...rest });
  });

  test('takes what an encoded secret holds', () => {
    const { secretAccessKey } = parseS3Url('s3://backups?accessKeyId=K&secretAccessKey=a%2Bb%2Fc%3D%26');
    expect(secretAccessKey).toBe('a+b/c=&');
  });

  test('an endpoint is kept without the slash at its end', () => {
    expect(parseS3Url('s3://backups?endpoint=http://127.0.0.1:9000/').endpoint).toBe('http://127.0.0.1:9000');
  });

  test('mistakes are refused with the next step, and no secret is repeated', () => {
    for (const [url, reason, hint] of [
      ['s3://KEY:geheim@backups/p', 'no user, password or port', 'accessKeyId=…'],
      ['s3://backups:9000/p', 'no user, password or port', 'endpoint=https://host:port'],
      ['s3:///p', 'names no bucket', 's3://bucket/prefix'],
      ['s3://x/p', 'not the name of a bucket', '3 to 63'],
      ['s3://backups/a//b', 'not a key', 'relative paths'],
      ['s3://backups/../b', 'not a key', 'relative paths'],
      ['s3://backups/100%', 'has a %', '%25'],
      ['s3://backups?regoin=x', 'does not know the parameter regoin', 'did you mean region?'],
      ['s3://backups?region=a&region=b', 'twice', 'once'],
      ['s3://backups?region=', 'region is empty', 's3.md'],
      ['s3://backups?accessKeyId=K', 'belong together', 'give both'],
      ['s3://backups?accessKeyId=K&secretAccessKey=', 'is empty', 'is the variable'],
      ['s3://backups?sessionToken=geheim', 'without accessKeyId', 'pair of keys'],
      ['s3://backups?profile=p&accessKeyId=K&secretAccessKey=geheim', 'both there', 'one of the two'],
      ['s3://backups?endpoint=s3.example.com', 'not the URL of a server', 'https://s3.example.com'],
      ['s3://backups?endpoint=https://u:geheim@h', 'not the URL of a server', 'https://s3.example.com'],
      ['s3://backups?partSize=4', 'no size of a part', 'from 5 to 5120'],
      ['s3://backups?partSize=16MiB', 'no size of a part', 'in MiB'],
      ['s3://backups?pathStyle=yes', 'not known', 'true or false'],
      ['s3://backups?lockMode=GOVERNANCE', 'belong together', 'both'],
      ['s3://backups?lockMode=GOVERNANCE&lockDays=0', 'no number of days', '1 to'],
      ['s3://backups?kmsKeyId=k', 'without sse=aws:kms', 'add sse=aws:kms'],
      ['s3://backups?manifestStorageClass=GLACIER', 'has to be thawed', 'STANDARD'],
      ['s3://backups?tags=a', 'is no tag', 'name%3Dvalue'],
      ['s3://backups?checksum=sha1', 'not known', 'sha256'],
    ] as const) {
      const error = refusalOf(url);
      expect([url, error.code, error.reason]).toEqual([
        url,
        'config_invalid',
        expect.stringContaining(reason),
      ]);
      expect(error.hint, url).toContain(hint);
      expect(`${error.message} ${error.hint}`, url).not.toContain('geheim');
    }
  });
});

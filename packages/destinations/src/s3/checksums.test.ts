import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checksumKind, Digester, digestFields, digestOf, isSame, tagOfParts } from './checksums.ts';
import { parseS3Url } from './url.ts';

const bytes = Buffer.from('123456789');
const md5 = createHash('md5').update(bytes).digest();

describe('checksums of what is sent', () => {
  test('Amazon compares SHA-256, other servers MD5, unless something else is said', () => {
    const kindOf = (query: string) => checksumKind(parseS3Url(`s3://backups?${query}`));
    expect(kindOf('')).toBe('sha256');
    expect(kindOf('endpoint=https://s3.eu-west-1.amazonaws.com')).toBe('sha256');
    expect(kindOf('endpoint=https://amazonaws.com.example.com')).toBe('md5');
    expect(kindOf('endpoint=http://127.0.0.1:9000')).toBe('md5');
    expect(kindOf('checksum=crc32')).toBe('crc32');
  });

  test('are the same in pieces and whole', () => {
    for (const kind of ['md5', 'sha256', 'crc32', 'none'] as const) {
      const digester = new Digester(kind);
      digester.update(bytes.subarray(0, 4));
      digester.update(bytes.subarray(4));
      expect(digester.digest()).toEqual(digestOf(kind, bytes));
    }
    // The check value of CRC-32: cbf43926.
    expect(digestFields(digestOf('crc32', bytes))).toEqual({ ChecksumCRC32: 'y/Q5Jg==' });
  });

  test('are compared with what the server says, if it says something of that kind', () => {
    const digest = digestOf('md5', bytes);
    const ETag = `"${md5.toString('hex')}"`;
    expect(isSame(digest, { ETag })).toBe(true);
    expect(isSame(digest, { ETag: '"00000000000000000000000000000000"' })).toBe(false);
    expect(isSame(digest, { ETag: `"${md5.toString('hex')}-1"` })).toBeUndefined();
    expect(isSame(digest, { ETag, ServerSideEncryption: 'aws:kms' })).toBeUndefined();
    expect(isSame(digestOf('sha256', bytes), { ETag })).toBeUndefined();
    expect(isSame(digestOf('sha256', bytes), { ChecksumSHA256: 'x' })).toBe(false);
  });

  test('the tag of an object in parts is the MD5 of their MD5s', () => {
    const both = createHash('md5').update(md5).update(md5).digest('hex');
    expect(tagOfParts([md5.toString('base64'), md5.toString('base64')])).toBe(`"${both}-2"`);
  });
});

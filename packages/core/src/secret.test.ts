import { expect, test } from 'vitest';
import { redactUrl, Secret } from './secret.ts';

const hidden = [
  'postgres://backup:SECRET@db1/shop',
  'sftp://u:x@SECRET@host/srv',
  'sftp://u:SECRET@x@host/srv',
  's3://b/p?accessKeyId=A&secretAccessKey=SECRET',
  's3://b/p?secret%41ccessKey=SECRET',
  's3://b/p?secretAccesKey=SECRET',
  's3://b/p?sessionToken=a#SECRET&region=r',
  'azure://c?account=a&accountKey=SECRET',
  'azure://c?sasToken=SECRET',
  'azure://c?connectionString=SECRET',
  'sftp://u@h/?passphrase=SECRET',
];

test.each(hidden)('%s shows no secret', (url) => {
  expect(redactUrl(url)).not.toContain('SECRET');
  expect(redactUrl(url)).toContain('[secret]');
});

test.each([
  'file:/srv/a@b:c',
  's3://b/p?endpoint=https://h&kmsKeyId=alias',
  'sftp://u@h/srv?hostKey=SHA256:abc',
])('%s is shown as it is', (url) => {
  expect(redactUrl(url)).toBe(url);
});

test('a secret prints as such', () => {
  const secret = new Secret('SECRET');
  expect(`${secret} ${JSON.stringify({ secret })}`).not.toContain('SECRET');
  expect(secret.reveal()).toBe('SECRET');
});

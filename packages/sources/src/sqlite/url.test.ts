import { expect, test } from 'vitest';
import { parseSqliteUrl } from './url.ts';

test('a URL names a file, relative or absolute', () => {
  expect(parseSqliteUrl('sqlite:./shop.db').path).toBe(`${process.cwd()}/shop.db`);
  expect(parseSqliteUrl('sqlite:/abs/x.db').path).toBe('/abs/x.db');
  expect(parseSqliteUrl('sqlite:///abs/x.db').path).toBe('/abs/x.db');
  expect(parseSqliteUrl('sqlite:/a%20b%3Fc.db').path).toBe('/a b?c.db');
});

test('its parameters are the attached databases and how long to wait', () => {
  const url = parseSqliteUrl('sqlite:/x.db?attach=arch:/y.db&attach=b:/z.db&busy_timeout=5');
  expect(url.attached).toEqual([
    { name: 'arch', path: '/y.db' },
    { name: 'b', path: '/z.db' },
  ]);
  expect(url.busyTimeoutMs).toBe(5);
});

test.each([
  ['sqlite:', 'names no file'],
  ['sqlite::memory:', 'names no file'],
  ['sqlite://host/x.db', 'names a host'],
  ['sqlite:/x%zz.db', 'begins no escape'],
  ['sqlite:/x%00.db', 'NUL'],
  ['sqlite:/x.db?attatch=a:b', 'unknown parameter `attatch`'],
  ['sqlite:/x.db?attach=b', 'not `name:path`'],
  ['sqlite:/x.db?attach=main:/b', 'cannot name'],
  ['sqlite:/x.db?attach=a:/b&attach=A:/c', 'twice'],
  ['sqlite:/x.db?attach=a:/x.db', 'named twice'],
  ['sqlite:/x.db?busy_timeout=soon', 'not a number of milliseconds'],
])('%s is refused with what is wrong', (url, message) => {
  expect(() => parseSqliteUrl(url)).toThrow(message);
});

test('a parameter that is not known is answered with the nearest one', () => {
  expect(() => parseSqliteUrl('sqlite:/x.db?bussy_timeout=1')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('did you mean `busy_timeout`') }),
  );
});

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { expect, it } from 'vitest';
import { parse } from './parse.ts';
import { holdsSecret, urlsOf } from './secrets.ts';

it.each(['postgres://u:hunter2@h/db', 'postgres://h/db?password=hunter2', 's3://bucket?secret=${env:A}x'])(
  '%s holds a secret',
  (url) => expect(holdsSecret(url)).toBe(true),
);

it.each([
  'postgres://u@h/db',
  'postgres://u:${env:PW}@h/db',
  'postgres://h/db?password=${file:/run/secrets/pw}',
  '${env:URL}',
  'sqlite:./shop.db',
  'file:/mnt/a:b@c',
])('%s holds none', (url) => expect(holdsSecret(url)).toBe(false));

it('looks at every URL of a command line', () => {
  for (const line of [
    'backup --from a: --to b: --to c:',
    'doctor a: b: c:',
    'restore --at a: --to b: --staging c:',
  ]) {
    const parsed = parse(line.split(' '));
    const urls = parsed.kind === 'call' ? urlsOf(parsed.spec, parsed.call) : [];
    expect(urls).toEqual(['a:', 'b:', 'c:'].slice(0, line.includes('staging') ? 2 : 3));
  }
});

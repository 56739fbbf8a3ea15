// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interpolate } from './interpolate.ts';

const { signal } = new AbortController();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-interpolate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fill(text: string, env: Record<string, string> = {}): Promise<string> {
  return interpolate(text, { env, signal });
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('placeholders in URLs', () => {
  it('leaves a text without any as it is', async () => {
    expect(await fill('postgres://u:p$w{}@h/db')).toBe('postgres://u:p$w{}@h/db');
  });

  it('puts in a whole URL from the environment as it stands', async () => {
    expect(await fill('${env:URL}', { URL: 'postgres://u:p%40@h/db' })).toBe('postgres://u:p%40@h/db');
  });

  it('strips one newline at the end of a file, and no more', async () => {
    expect(await fill(`x:\${file:${file('one', 'secret\n')}}`)).toBe('x:secret');
    expect(await fill(`x:\${file:${file('two', 'secret\r\n')}}`)).toBe('x:secret');
    expect(await fill(`x:\${file:${file('three', 'secret\n\n')}}`)).toBe('x:secret\n');
  });

  it('encodes a value that is a whole user name, password or query value', async () => {
    const env = { U: 'a:b', P: 'p@/#?' };
    expect(await fill('postgres://${env:U}:${env:P}@h/db', env)).toBe('postgres://a%3Ab:p%40%2F%23%3F@h/db');
    expect(await fill('postgres://h/db?password=${env:P}&x=1', env)).toBe(
      'postgres://h/db?password=p%40%2F%23%3F&x=1',
    );
  });

  it('encodes nothing anywhere else', async () => {
    expect(await fill('file:${env:HOME}/x', { HOME: '/home/me' })).toBe('file:/home/me/x');
    expect(await fill('postgres://${env:USERINFO}@h/db', { USERINFO: 'me:pw' })).toBe(
      'postgres://me:pw@h/db',
    );
    expect(await fill('postgres://u:pre${env:P}@h/db', { P: 'x@' })).toBe('postgres://u:prex@@h/db');
  });

  it('does not fill in what a value says', async () => {
    expect(await fill('x:${env:A}', { A: '${env:B}', B: 'no' })).toBe('x:${env:B}');
  });

  it('names what is missing, and no other value', async () => {
    const wrong = fill('postgres://u:${env:SECRET}@h/${env:GONE}', { SECRET: 'hunter2' });
    await expect(wrong).rejects.toMatchObject({
      code: 'config_invalid',
      reason: 'the environment variable GONE is not set',
    });
    await expect(fill('${env:E}', { E: '' })).rejects.toMatchObject({
      reason: expect.stringContaining('empty'),
    });
    await expect(fill(`\${file:${folder}/none}`)).rejects.toMatchObject({
      code: 'config_invalid',
      reason: expect.stringContaining(`${folder}/none cannot be read: ENOENT`),
    });
    await expect(fill(`\${file:${file('nothing', '\n')}}`)).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it.each(['${HOME}', '${env:}', '${vault:x}', 'x${env:A', '${}'])('refuses %s', async (text) => {
    await expect(fill(text, { A: 'a', HOME: '/' })).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

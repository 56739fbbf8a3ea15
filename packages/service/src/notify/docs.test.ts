import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { temporaryFolder } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { payloadOf } from './notice.ts';
import { signature } from './webhook.ts';

const page = await readFile(new URL('../../../../docs/notifications.md', import.meta.url), 'utf8');

/** The only code block of that language. */
function block(language: string): string {
  const [found, ...others] = page.split(`\n\`\`\`${language}\n`).slice(1);
  if (found === undefined || others.length > 0) throw new Error(`expected one block of ${language}`);
  return found.slice(0, found.indexOf('\n```'));
}

const atMs = Date.UTC(2026, 10, 20, 14, 0, 5);
const body = JSON.stringify({ text: 'Aufträge ✗' });

describe('docs/notifications.md', () => {
  it('shows the body as it is sent', () => {
    const shown = JSON.parse(block('json'));
    const { at, holdfast: _version, ...notice } = shown;
    expect(JSON.stringify(payloadOf({ ...notice, atMs: Date.parse(at) }), null, 2)).toBe(block('json'));
    for (const field of [...Object.keys(shown), 'tasks']) expect(page).toContain(`| \`${field}\` |`);
  });

  it('verifies signatures in Node', async () => {
    await using folder = await temporaryFolder();
    const path = folder.join('verify.mjs');
    await writeFile(path, block('js'));
    const { isGenuine } = (await import(path)) as { isGenuine: (...args: unknown[]) => boolean };
    const header = signature(body, 'key', atMs);
    expect(isGenuine(header, Buffer.from(body), 'key', atMs + 1000)).toBe(true);
    expect(isGenuine(header, Buffer.from(body), 'key', atMs + 301_000)).toBe(false);
    expect(isGenuine(header, Buffer.from(`${body} `), 'key', atMs)).toBe(false);
    expect(isGenuine(header, Buffer.from(body), 'other', atMs)).toBe(false);
    expect(isGenuine('t=1', Buffer.from(body), 'key', 1000)).toBe(false);
  });

  it('verifies signatures in a shell', async () => {
    await using folder = await temporaryFolder();
    const path = folder.join('body');
    await writeFile(path, body);
    const header = signature(body, 'key', atMs);
    const env = { ...process.env, HEADER: header, BODY_FILE: path, SECRET: 'key' };
    const { stdout } = await promisify(execFile)('sh', ['-c', block('sh')], { env });
    expect(stdout.trim()).toBe(header.replace(/.*v1=/, ''));
  });
});

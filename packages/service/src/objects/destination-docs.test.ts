import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { declaredDestinations } from './declared-drivers.ts';

const folder = new URL('../../../../docs/destinations/', import.meta.url);

/** Empty for a page that is not there. */
async function page(name: string): Promise<string> {
  return readFile(new URL(name, folder), 'utf8').catch(() => '');
}

/** As code: `field`, or in an example `field: value` or `field=value`. */
function names(text: string, field: string): boolean {
  return new RegExp(`(?<![\\w.-])${field}(?=[\`:=])`).test(text);
}

describe.each(declaredDestinations)('the page of $type in docs/destinations', ({ type, declared }) => {
  it(`is there, shows how a ${type} is declared, and is found from the page of all destinations`, async () => {
    expect(await page(`${type}.md`)).toMatch(new RegExp(`^ *type: ${type}$`, 'm'));
    expect(await page('README.md')).toContain(`[${type}](${type}.md)`);
  });

  it(`names every field of a ${type}`, async () => {
    const text = await page(`${type}.md`);
    expect(Object.keys(declared.shape).filter((field) => !names(text, field))).toEqual([]);
  });
});

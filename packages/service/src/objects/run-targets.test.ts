// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { folderDriver } from '@holdfast/destinations/folder';
import { sqliteDriver } from '@holdfast/sources/sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseText, shop } from './objects.fixture.ts';
import { destinationUrl, sourceUrl, toRunTargets } from './run-targets.ts';

const { objects } = parseText(
  shop
    .replace('/mnt/far', '/mnt/a b#c%')
    .replace('mount: required', 'mount: required, disabled: true, verify: full, bandwidth: 5kB/s'),
);
const { signal } = new AbortController();

describe('the targets of a run', () => {
  it("are the task's, in its order, with placeholders as they are written", () => {
    const far = 'file:/mnt/a%20b%23c%25?mount=required';
    expect(toRunTargets(objects, 'orders')).toEqual({
      from: '${env:ORDERS_URL}',
      destinations: [
        { name: 'near', url: 'file:/var/backups', address: 'file:/var/backups', disabled: false },
        {
          name: 'far',
          url: far,
          address: { url: far, verify: 'full', rate: { bytesPerSecond: 5000 } },
          disabled: true,
        },
      ],
    });
  });

  it('of a task that is not there are none', () => {
    expect(() => toRunTargets(objects, 'order')).toThrow(
      '[not_found] there is no task "order"; did you mean orders?',
    );
    expect(() => toRunTargets(objects, 'constructor')).toThrow('[not_found] there is no task "constructor"');
  });

  it('of a type that this version does not have are refused', () => {
    const newer = { ...objects, sources: { orders: { type: 'oracle' } } };
    expect(() => toRunTargets(newer, 'orders')).toThrow(
      '[unsupported] this version has no driver of the type "oracle"; it has postgres, sqlite',
    );
  });
});

describe('a URL made of fields', () => {
  const path = fc
    .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.map((part) => part.replace(/[/\0]|^\.+$/g, '_')).join('/')}`);

  it('names the same path to its driver, whatever characters that has', async () => {
    await fc.assert(
      fc.asyncProperty(path, async (text) => {
        const folder = await folderDriver.open(destinationUrl({ type: 'folder', path: text }), { signal });
        expect(folder.description).toBe(`file:${text}`);
      }),
    );
    const clock = undefined as never;
    const file = '/nowhere/holdfast test/a#b?c%.db';
    await using source = await sqliteDriver.open(sourceUrl({ type: 'sqlite', path: file }), {
      signal,
      clock,
    });
    expect(source.description).toBe(`sqlite:${file}`);
  });

  it('names the folder of a path with more slashes than it needs', () => {
    expect(destinationUrl({ type: 'folder', path: '//srv//b/../c/' })).toBe('file:/srv/c');
    expect(destinationUrl({ type: 'folder', path: '/' })).toBe('file:/');
  });

  it('is the one that was written, where one was', () => {
    const url = 'sqlite:/a.db?busy_timeout=5&attach=b:/b.db';
    expect(sourceUrl({ type: 'sqlite', url })).toBe(url);
  });
});

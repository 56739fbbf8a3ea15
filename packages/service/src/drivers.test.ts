import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DestinationDriver, SourceDriver } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import {
  type DriverEntry,
  destinationDrivers,
  findDestinationDriver,
  findSourceDriver,
  roleOf,
  sourceDrivers,
} from './drivers.ts';
import { declaredDestinations, declaredSources } from './objects/declared-drivers.ts';

const lists: readonly { role: string; entries: DriverEntry<SourceDriver | DestinationDriver>[] }[] = [
  { role: 'sources', entries: [...sourceDrivers] },
  { role: 'destinations', entries: [...destinationDrivers] },
];

describe.each(lists)('the list of $role', ({ role, entries }) => {
  it.each(entries)('has under $type a driver of that type and schemes', async ({ type, schemes, load }) => {
    const driver = await load();
    expect(driver.type).toBe(type);
    expect(driver.schemes).toEqual(schemes);
  });

  it.each(entries)('has for $type a contract test beside the driver', ({ type }) => {
    const folder = dirname(fileURLToPath(import.meta.resolve(`@holdfast/${role}/${type}`)));
    const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
    expect(files.filter((name) => name.endsWith('.contract.test.ts'))).not.toEqual([]);
  });

  it('has the types that can be declared, and no other', () => {
    const declared = role === 'sources' ? declaredSources : declaredDestinations;
    expect(declared.map(({ type }) => type)).toEqual(entries.map(({ type }) => type));
  });

  it('has each scheme once', () => {
    const schemes = lists.flatMap((list) => list.entries).flatMap((entry) => entry.schemes);
    expect(new Set(schemes).size).toBe(schemes.length);
  });
});

describe('a URL that no driver knows', () => {
  it('is refused with the schemes that are known', () => {
    expect(() => findSourceDriver('oracle://u:pw@h/db')).toThrow(
      'no source has the scheme oracle:; known are postgres:, postgresql:, sqlite:',
    );
    expect(() => findDestinationDriver('./backups')).toThrow('has no scheme; known are file:');
  });

  it('is never shown, for it may hold a password', () => {
    for (const url of ['u:hunter2@h/db', '//u:hunter2@h', 'x://u:hunter2@h']) {
      expect(() => findSourceDriver(url)).toThrow(/^(?!.*hunter2)/s);
    }
  });

  it('is explained when the two URLs are swapped', () => {
    expect(() => findSourceDriver('file:./backups')).toThrow(
      expect.objectContaining({ hint: 'file: names a destination; are the two URLs swapped?' }),
    );
  });

  it('has a role by its scheme alone', () => {
    expect(roleOf('postgresql://h/db')).toBe('source');
    expect(roleOf('FILE:./x')).toBe('destination');
    expect(roleOf('S3://bucket')).toBe('destination');
    expect(roleOf('oracle://h/db')).toBeUndefined();
  });
});

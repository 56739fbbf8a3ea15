import { type DestinationDriver, HoldfastError, type SourceDriver } from '@holdfast/core';

/**
 * One line of a list of drivers. The driver's module is loaded when a URL with one of its schemes is opened; how one is
 * declared in a file stands in `objects/declared-drivers.ts`.
 */
export interface DriverEntry<Driver> {
  readonly type: string;
  readonly schemes: readonly string[];
  readonly load: () => Promise<Driver>;
}

export const sourceDrivers: readonly DriverEntry<SourceDriver>[] = [
  {
    type: 'postgres',
    schemes: ['postgres', 'postgresql'],
    load: async () => (await import('@holdfast/sources/postgres')).postgresDriver,
  },
  {
    type: 'sqlite',
    schemes: ['sqlite'],
    load: async () => (await import('@holdfast/sources/sqlite')).sqliteDriver,
  },
];

export const destinationDrivers: readonly DriverEntry<DestinationDriver>[] = [
  {
    type: 'folder',
    schemes: ['file'],
    load: async () => (await import('@holdfast/destinations/folder')).folderDriver,
  },
  {
    type: 's3',
    schemes: ['s3'],
    load: async () => (await import('@holdfast/destinations/s3')).s3Driver,
  },
  {
    type: 'azure',
    schemes: ['azure'],
    load: async () => (await import('@holdfast/destinations/azure')).azureDriver,
  },
  {
    type: 'sftp',
    schemes: ['sftp'],
    load: async () => (await import('@holdfast/destinations/sftp')).sftpDriver,
  },
  {
    type: 'ftp',
    schemes: ['ftps', 'ftp'],
    load: async () => (await import('@holdfast/destinations/ftp')).ftpDriver,
  },
];

/** `postgres://db/shop` -> `postgres`; undefined for what has no scheme. */
export function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
}

type Role = 'source' | 'destination';
const lists = { source: sourceDrivers, destination: destinationDrivers } as const;
const examples = { source: 'postgres://db.example/shop', destination: 'file:./backups' } as const;

/** What a URL names, by its scheme alone; undefined when no driver knows it. */
export function roleOf(url: string): Role | undefined {
  const scheme = schemeOf(url) ?? '';
  if (sourceDrivers.some((entry) => entry.schemes.includes(scheme))) return 'source';
  if (destinationDrivers.some((entry) => entry.schemes.includes(scheme))) return 'destination';
  return undefined;
}

export function findSourceDriver(url: string): Promise<SourceDriver> {
  return find(sourceDrivers, 'source', url).load();
}

export function findDestinationDriver(url: string): Promise<DestinationDriver> {
  return find(destinationDrivers, 'destination', url).load();
}

/** @throws HoldfastError config_invalid when no source has the URL's scheme */
export function assertSourceScheme(url: string): void {
  find(sourceDrivers, 'source', url);
}

/** The URL itself is never part of the message: what a person mistyped may well hold a password. */
function find<Driver>(list: readonly DriverEntry<Driver>[], role: Role, url: string): DriverEntry<Driver> {
  const scheme = schemeOf(url);
  const found = list.find((entry) => entry.schemes.includes(scheme ?? ''));
  if (found) return found;
  const known = knownSchemes(role);
  if (scheme === undefined) {
    throw new HoldfastError('config_invalid', `the ${role}'s URL has no scheme; known are ${known}`, {
      hint: `write it like ${examples[role]}`,
    });
  }
  const other: Role = role === 'source' ? 'destination' : 'source';
  const swapped = lists[other].some((entry) => entry.schemes.includes(scheme));
  throw new HoldfastError('config_invalid', `no ${role} has the scheme ${scheme}:; known are ${known}`, {
    hint: swapped
      ? `${scheme}: names a ${other}; are the two URLs swapped?`
      : `write it like ${examples[role]}`,
  });
}

/** `postgres:, postgresql:, sqlite:` */
export function knownSchemes(role: Role): string {
  return lists[role]
    .flatMap((entry) => entry.schemes)
    .map((scheme) => `${scheme}:`)
    .join(', ');
}

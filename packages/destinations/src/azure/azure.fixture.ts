import {
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type Clock, type CredentialCommand, SystemClock } from '@holdfast/core';
import { type AzuriteServer, startAzurite } from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
import { AzureDestination } from './azure-destination.ts';
import { parseAzureUrl } from './url.ts';

export interface Place {
  readonly container?: string;
  readonly prefix?: string;
  /** Where the server is, for who comes through a proxy or has a stub. */
  readonly endpoint?: string;
  /** Instead of the account's key. */
  readonly sasToken?: string;
  readonly credentials?: CredentialCommand;
  /** More of the URL: `tier=Cool`. */
  readonly parameters?: string;
  readonly clock?: Clock;
}

/** One server for all tests of a file. */
export function azuriteForTests(memoryMaxMiB = 1024): { readonly server: AzuriteServer } {
  let server: AzuriteServer | undefined;
  beforeAll(async () => {
    server = await startAzurite({ memoryMaxMiB });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  return {
    get server() {
      if (!server) throw new Error('not started yet');
      return server;
    },
  };
}

export function urlOf(server: AzuriteServer, container: string, place: Place = {}): string {
  const { prefix = '', endpoint = server.endpoint, sasToken, credentials, parameters } = place;
  const query = new URLSearchParams({ account: server.account, endpoint });
  if (sasToken !== undefined) query.set('sasToken', sasToken);
  else if (!credentials) query.set('accountKey', server.accountKey);
  return `azure://${container}/${prefix}?${query}${parameters ? `&${parameters}` : ''}`;
}

/** A handle on a container of its own, or on the one that is named. */
export async function openAzure(server: AzuriteServer, place: Place = {}): Promise<AzureDestination> {
  const container = place.container ?? (await server.createContainer());
  const { credentials, clock = new SystemClock() } = place;
  const location = parseAzureUrl(urlOf(server, container, place), credentials !== undefined);
  return new AzureDestination({ location, credentials, clock });
}

export interface SasOptions {
  readonly permissions?: string;
  readonly expiresInMs?: number;
}

/** A shared access signature of a container, for an hour and everything unless said. */
export function sasOf(server: AzuriteServer, containerName: string, o: SasOptions = {}): string {
  const { permissions = 'rcwdl', expiresInMs = 3_600_000 } = o;
  return generateBlobSASQueryParameters(
    {
      containerName,
      permissions: ContainerSASPermissions.parse(permissions),
      expiresOn: new Date(new SystemClock().now() + expiresInMs),
    },
    new StorageSharedKeyCredential(server.account, server.accountKey),
  ).toString();
}

/** The service as it is without the driver. */
export function rawContainer(server: AzuriteServer, container: string): ContainerClient {
  const credential = new StorageSharedKeyCredential(server.account, server.accountKey);
  return new ContainerClient(`${server.endpoint}/${container}`, credential, {
    retryOptions: { maxTries: 1 },
  });
}

/** Sizes of what unfinished writes have left under a name. */
export async function leftUnder(server: AzuriteServer, container: string, name: string): Promise<number[]> {
  try {
    const list = await rawContainer(server, container).getBlockBlobClient(name).getBlockList('uncommitted');
    return (list.uncommittedBlocks ?? []).map((block) => block.size);
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return [];
    throw error;
  }
}

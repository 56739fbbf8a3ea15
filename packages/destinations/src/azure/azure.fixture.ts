import { randomBytes } from 'node:crypto';
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

/** No name that another test has. */
export function newName(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

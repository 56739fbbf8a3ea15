import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { type Clock, type CredentialCommand, HoldfastError } from '@holdfast/core';
import { CommandCredentials, type Credentials } from '../credential-command.ts';
import type { S3Location } from './url.ts';

export interface ClientOptions {
  readonly location: S3Location;
  readonly clock: Clock;
  readonly credentials?: CredentialCommand | undefined;
  /** How long a connection may take to be made, and how long one may be silent. */
  readonly connectMsMax?: number;
  readonly idleMsMax?: number;
}

export interface OpenClient extends Disposable {
  readonly client: S3Client;
  /** Credentials that a program gives are asked for anew; false when nothing can be asked. */
  renew(): boolean;
}

const connectMs = 30_000;
/** A server may need a while to put many parts together, and says nothing meanwhile. */
const idleMs = 120_000;
const socketsMax = 64;
const nothing = (): void => undefined;
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
/** A program that gives credentials ends by its own limit. */
const never = new AbortController().signal;

export function isAmazon(endpoint: string | undefined): boolean {
  return endpoint === undefined || /\.amazonaws\.com(?:\.cn)?$/i.test(new URL(endpoint).hostname);
}

/** @throws HoldfastError config_invalid when `caFile` cannot be read */
export function openClient(o: ClientOptions): OpenClient {
  const { location, clock } = o;
  const ca = location.caFile === undefined ? undefined : readAuthorities(location.caFile);
  const agent = { keepAlive: true, maxSockets: socketsMax };
  const httpAgent = new HttpAgent(agent);
  const httpsAgent = new HttpsAgent({ ...agent, ...(ca !== undefined && { ca }) });
  let stale = false;
  const renewable = o.credentials && new CommandCredentials(o.credentials, clock);
  const provider =
    renewable &&
    Object.assign(
      async () => {
        const fresh = stale;
        stale = false;
        return identityOf(await renewable.get({ signal: never, fresh }));
      },
      // Asked for each request: what the program said is kept, and renewed in time, by CommandCredentials.
      { memoized: true },
    );
  const client = new S3Client({
    ...placeOf(location),
    ...credentialsOf(location, provider),
    // The one layer that tries again is above the driver.
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With it each part would get a connection of its own.
    expectContinueHeader: false,
    // A clock that is wrong is told; to correct it silently would make the dates in the repository wrong.
    disableClockSkewCorrection: true,
    // It would print to the console, where nobody reads it: whatever is wrong comes as an error.
    logger: silent,
    requestHandler: {
      httpAgent,
      httpsAgent,
      connectionTimeout: o.connectMsMax ?? connectMs,
      // Without it a server that accepts and never answers is waited for without end.
      socketTimeout: o.idleMsMax ?? idleMs,
    },
  } as S3ClientConfig);
  return {
    client,
    renew: () => {
      if (!renewable) return false;
      stale = true;
      return true;
    },
    [Symbol.dispose]: () => {
      client.destroy();
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

function placeOf({ endpoint, region, pathStyle }: S3Location): Partial<S3ClientConfig> {
  return {
    ...(endpoint !== undefined && { endpoint }),
    // Servers other than Amazon's do not care, but a signature names one.
    ...(region !== undefined ? { region } : !isAmazon(endpoint) && { region: 'us-east-1' }),
    forcePathStyle: pathStyle ?? !isAmazon(endpoint),
  };
}

function credentialsOf(location: S3Location, command: unknown): Partial<S3ClientConfig> {
  const { accessKeyId, secretAccessKey, sessionToken, profile } = location;
  if (command !== undefined) return { credentials: command as NonNullable<S3ClientConfig['credentials']> };
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return {
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    };
  }
  if (profile === undefined) return {};
  return { profile, credentials: fromNodeProviderChain({ profile }) };
}

function identityOf({ fields, expiresAtMs }: Credentials) {
  const { accessKeyId, secretAccessKey, sessionToken } = fields;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new HoldfastError('unauthenticated', 'the credentials command printed no keys for S3', {
      hint: 'it has to print accessKeyId, secretAccessKey and, for temporary ones, sessionToken and expiration',
    });
  }
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    ...(expiresAtMs !== undefined && { expiration: new Date(expiresAtMs) }),
  };
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HoldfastError('config_invalid', `caFile=${file} cannot be read`, {
      cause: error,
      hint: 'name a PEM file with the certificates of the authorities that are trusted',
    });
  }
}

import { HoldfastError } from '@holdfast/core';
import { partsOf } from '../keys.ts';
import { readParameters } from '../parameters.ts';
import { type AzureAccess, accessOf } from './access.ts';

export const tiers = ['Hot', 'Cool', 'Cold', 'Archive'] as const;
export type AzureTier = (typeof tiers)[number];

/** What is said with every object that is written. */
export interface AzureWriting {
  /** Absent: as the account's default says. */
  readonly tier?: AzureTier;
  /** Of what must be readable at once. */
  readonly hotTier?: AzureTier;
  readonly immutableDays?: number;
  readonly immutableMode?: 'Unlocked' | 'Locked';
  readonly legalHold: boolean;
  /** Of larger objects, unless they are so large that it has to grow. */
  readonly blockBytes: number;
}

/** Plain data. */
export interface AzureLocation {
  readonly container: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  readonly writing: AzureWriting;
  /** Absent where a program is to say it. */
  readonly access?: AzureAccess;
  /** What the URL says of the account beside its credentials. */
  readonly account?: string;
  /** Without a slash at its end. */
  readonly endpoint?: string;
  /** PEM: authorities to trust beside those that the system trusts. */
  readonly caFile?: string;
}

const known = [
  'account',
  'endpoint',
  'accountKey',
  'sasToken',
  'connectionString',
  'identity',
  'clientId',
  'tier',
  'manifestTier',
  'immutableDays',
  'immutableMode',
  'legalHold',
  'blockSize',
  'caFile',
] as const;

export type AzureParameters = Partial<Record<(typeof known)[number], string>>;

const mebibyte = 1024 * 1024;
const blockMiBDefault = 8;
/** Blocks are held in memory; larger objects get larger ones by themselves. */
const blockMiBMax = 256;
/** Nobody means more than a century. */
const immutableDaysMax = 36_500;

/**
 * `azure://container/prefix?account=…` with one way of credentials, all in `docs/destinations/azure.md`.
 * @param commanded whether a program gives the credentials, and the URL need not
 */
export function parseAzureUrl(url: string, commanded = false): AzureLocation {
  const match = /^azure:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/is.exec(url);
  if (!match) throw invalid('not the URL of a container');
  const [, container = '', path = '', query = ''] = match;
  if (!/^(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$/.test(container)) throw notAContainer(container);
  // A token that was pasted as it is comes apart into parameters of its own.
  if (/(?:^|&)sig=/.test(query)) {
    throw new HoldfastError('config_invalid', 'a destination in Azure has the parameter sig', {
      hint: 'a SAS token stands in sasToken with its own & and % encoded: sasToken=sv%3D2024-11-04%26sig%3D…',
    });
  }
  const said = readParameters(query, known, 'a destination in Azure');
  const { account, endpoint, caFile } = said;
  const access = accessOf(said, commanded);
  return {
    container,
    prefix: prefixOf(path),
    writing: writingOf(said),
    ...(access && { access }),
    ...(account !== undefined && { account }),
    ...(endpoint !== undefined && { endpoint }),
    ...(caFile !== undefined && { caFile }),
  };
}

function prefixOf(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') return '';
  let prefix: string;
  try {
    prefix = decodeURIComponent(trimmed);
  } catch {
    throw new HoldfastError('config_invalid', `${path} has a % that is not followed by two digits`, {
      hint: 'write a per cent sign in a prefix as %25',
    });
  }
  for (const part of partsOf(prefix)) {
    // Such names are rewritten on their way, or refused.
    if (part.endsWith('.') || part.includes('\\'))
      throw invalid(`the prefix has the part ${JSON.stringify(part)}, which Azure does not keep`);
  }
  return `${prefix}/`;
}

function writingOf(said: AzureParameters): AzureWriting {
  const tier = choiceOf('tier', said.tier, tiers);
  const manifestTier = choiceOf('manifestTier', said.manifestTier, tiers);
  if (manifestTier === 'Archive') {
    throw new HoldfastError('config_invalid', 'manifestTier=Archive: manifests have to be readable at once', {
      hint: 'choose Hot, Cool or Cold for manifests',
    });
  }
  const immutableDays = wholeOf('immutableDays', said.immutableDays, immutableDaysMax);
  const immutableMode = choiceOf('immutableMode', said.immutableMode, ['Unlocked', 'Locked'] as const);
  if (immutableMode && immutableDays === undefined) {
    throw new HoldfastError('config_invalid', 'immutableMode says nothing without immutableDays', {
      hint: 'say for how many days objects cannot be deleted: immutableDays=30',
    });
  }
  const legalHold = choiceOf('legalHold', said.legalHold, ['on', 'off'] as const) === 'on';
  // The account's default is never Archive: without a tier for the rest, none has to be said for manifests.
  const hotTier = manifestTier ?? (tier && 'Hot');
  return {
    legalHold,
    blockBytes: (wholeOf('blockSize', said.blockSize, blockMiBMax) ?? blockMiBDefault) * mebibyte,
    ...(tier && { tier }),
    ...(hotTier && { hotTier }),
    ...(immutableDays !== undefined && { immutableDays, immutableMode: immutableMode ?? 'Unlocked' }),
  };
}

function choiceOf<T extends string>(
  name: string,
  value: string | undefined,
  values: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = values.find((each) => each.toLowerCase() === value.toLowerCase());
  if (found !== undefined) return found;
  throw new HoldfastError('config_invalid', `${name}=${value} is not known`, {
    hint: `${name} is one of ${values.join(', ')}`,
  });
}

function wholeOf(name: string, value: string | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^[0-9]+$/.test(value) && number >= 1 && number <= most) return number;
  throw new HoldfastError('config_invalid', `${name}=${value} is not a whole number from 1 to ${most}`, {
    hint: name === 'blockSize' ? 'blockSize is in MiB: blockSize=8' : `write ${name}=30`,
  });
}

function notAContainer(container: string): HoldfastError {
  return new HoldfastError('config_invalid', `not a name of a container: ${JSON.stringify(container)}`, {
    hint: 'containers have 3 to 63 small letters, digits and single hyphens: azure://backups/holdfast?account=…',
  });
}

function invalid(reason: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, {
    hint: 'write azure://container/prefix?account=NAME&accountKey=… (or sasToken, connectionString, identity)',
  });
}

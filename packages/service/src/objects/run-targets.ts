import {
  type DeclaredDestination,
  type DeclaredObjects,
  type DeclaredSource,
  didYouMean,
  HoldfastError,
} from '@holdfast/core';
import type { DestinationAddress } from '../open.ts';
import { driverFields, placeFields } from './common-fields.ts';
import { type DeclaredDriver, declaredDestinations, declaredSources } from './declared-drivers.ts';
import { memberOf } from './object-kinds.ts';

/** Where a task's runs read and write. The URLs hold placeholders, for the node that opens them to fill in. */
export interface RunTargets {
  readonly from: string;
  readonly destinations: readonly RunDestination[];
}

export interface RunDestination {
  readonly name: string;
  readonly url: string;
  /** The URL, or with it what else is declared: credentials, bandwidth, verify. */
  readonly address: DestinationAddress;
  readonly disabled: boolean;
}

/** @throws HoldfastError not_found when the task, or what it refers to, is not there */
export function toRunTargets(objects: DeclaredObjects, task: string): RunTargets {
  const declared = find(objects.tasks, 'task', task);
  return {
    from: sourceUrl(find(objects.sources, 'source', declared.source)),
    destinations: declared.destinations.map((name) => {
      const destination = find(objects.destinations, 'destination', name);
      return {
        name,
        url: destinationUrl(destination),
        address: destinationAddress(destination),
        disabled: destination.disabled ?? false,
      };
    }),
  };
}

export function sourceUrl(source: DeclaredSource): string {
  return entryOf(declaredSources, source.type).toUrl(driverFields(source));
}

export function destinationUrl(destination: DeclaredDestination): string {
  return entryOf(declaredDestinations, destination.type).toUrl(driverFields(destination));
}

/** As runs open it. */
export function destinationAddress(destination: DeclaredDestination): DestinationAddress {
  const url = destinationUrl(destination);
  const besides = placeFields(destination);
  return Object.keys(besides).length === 0 ? url : { url, ...besides };
}

/** The same for two destinations that keep their backups in one place. */
export function destinationPlace(destination: DeclaredDestination): string {
  return entryOf(declaredDestinations, destination.type).placeOf(driverFields(destination));
}

function find<T>(named: Readonly<Record<string, T>>, what: string, name: string): T {
  const found = memberOf(named, name);
  if (found !== undefined) return found;
  const near = didYouMean(name, Object.keys(named));
  throw new HoldfastError('not_found', `there is no ${what} ${JSON.stringify(name)}${near}`);
}

/** What was kept by a newer version may have a type that this one does not have. */
function entryOf(entries: readonly DeclaredDriver[], type: string): DeclaredDriver {
  const found = entries.find((entry) => entry.type === type);
  if (found) return found;
  const known = entries.map((entry) => entry.type).join(', ');
  throw new HoldfastError(
    'unsupported',
    `this version has no driver of the type ${JSON.stringify(type)}; it has ${known}`,
  );
}

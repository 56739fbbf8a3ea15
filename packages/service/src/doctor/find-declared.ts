import { didYouMean, HoldfastError } from '@holdfast/core';
import { memberOf } from '../objects/object-kinds.ts';
import { type ObjectsFile, parseObjects } from '../objects/parse-objects.ts';
import { destinationAddress, sourceUrl } from '../objects/run-targets.ts';
import { schedulerRules } from '../objects/scheduler-rules.ts';
import type { DestinationAddress } from '../open.ts';

export type Declared =
  | { readonly role: 'source'; readonly address: string }
  | { readonly role: 'destination'; readonly address: DestinationAddress };

/**
 * What files of objects say of a source or a destination: `far`, or `destinations.far` where a source has that name too.
 *
 * @throws HoldfastError config_invalid for files that are wrong, or a name that is not, or twice, in them
 */
export function findDeclared(files: readonly ObjectsFile[], name: string): Declared {
  const { sources, destinations } = parseObjects(files, schedulerRules).objects;
  const [, kind, own = ''] = /^(?:(sources|destinations)\.)?(.*)$/s.exec(name) ?? [];
  const source = kind === 'destinations' ? undefined : memberOf(sources, own);
  const destination = kind === 'sources' ? undefined : memberOf(destinations, own);
  if (source && destination) {
    throw new HoldfastError('config_invalid', `${own} is the name of a source and of a destination`, {
      hint: `write sources.${own} or destinations.${own}`,
    });
  }
  if (source) return { role: 'source', address: sourceUrl(source) };
  if (destination) return { role: 'destination', address: destinationAddress(destination) };
  const near = didYouMean(own, [...Object.keys(sources), ...Object.keys(destinations)]);
  throw new HoldfastError(
    'config_invalid',
    `the files declare no source and no destination ${JSON.stringify(name)}${near}`,
  );
}

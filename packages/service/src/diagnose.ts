import { type Clock, HoldfastError, type Sig } from '@holdfast/core';
import { diagnoseDestination } from './doctor/diagnose-destination.ts';
import { type DoctorFinding, failedFinding } from './doctor/doctor-finding.ts';
import type { Declared } from './doctor/find-declared.ts';
import { knownSchemes, roleOf } from './drivers.ts';
import { openDestination, openSource, placeOfAddress } from './open.ts';

export { diagnoseDestination } from './doctor/diagnose-destination.ts';
export type { DoctorFinding } from './doctor/doctor-finding.ts';
export type { Declared } from './doctor/find-declared.ts';

/**
 * What `doctor` looks at: a URL, or what is declared. A source says itself what it needs; a destination has to keep its
 * promises on scratch objects of its own. A place that cannot be opened is a finding like any other.
 */
export async function diagnose(
  place: string | Declared,
  o: Sig & { readonly clock: Clock },
): Promise<readonly DoctorFinding[]> {
  const { role, address } = typeof place === 'string' ? byUrl(place) : place;
  try {
    if (role === 'source') {
      await using source = await openSource(placeOfAddress(address).url, o);
      return await source.diagnose(o);
    }
    await using destination = await openDestination(address, o);
    return await diagnoseDestination(destination, o);
  } catch (caught) {
    if (o.signal.aborted) throw HoldfastError.from(caught);
    return [failedFinding('open', HoldfastError.from(caught))];
  }
}

function byUrl(url: string): Declared {
  const role = roleOf(url);
  if (role) return { role, address: url };
  throw new HoldfastError('config_invalid', 'a URL to look at has an unknown scheme', {
    hint: `known sources are ${knownSchemes('source')}; known destinations are ${knownSchemes('destination')}; for the name of a declared one, name its file with -f`,
  });
}

/** Apart from the rest: files of objects are read only where one is named. */
export async function findDeclaredPlace(
  files: readonly { readonly name: string; readonly text: string }[],
  name: string,
): Promise<Declared> {
  return (await import('./doctor/find-declared.ts')).findDeclared(files, name);
}

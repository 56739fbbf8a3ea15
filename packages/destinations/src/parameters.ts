import { HoldfastError, nearestOf } from '@holdfast/core';

/**
 * The parameters of a destination's URL, each given at most once.
 * @throws HoldfastError config_invalid for one that is not known, naming the nearest that is
 */
export function readParameters<Name extends string>(
  query: string,
  known: readonly Name[],
  where: string,
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const match = known.find((candidate) => candidate === name);
    if (match === undefined) {
      const nearest = nearestOf(name, known);
      throw new HoldfastError('config_invalid', `${where} does not know the parameter ${name}`, {
        hint: nearest ? `did you mean ${nearest}?` : `known are: ${known.join(', ')}`,
      });
    }
    if (found[match] !== undefined) {
      throw new HoldfastError('config_invalid', `${where} has the parameter ${name} twice`, {
        hint: 'give it once',
      });
    }
    found[match] = value;
  }
  return found;
}

import { HoldfastError } from '@holdfast/core';

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

/** The known word that a mistyped one was meant to be, if any comes near. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best && best.distance <= Math.max(2, Math.floor(best.candidate.length / 3))
    ? best.candidate
    : undefined;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitute = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitute, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}

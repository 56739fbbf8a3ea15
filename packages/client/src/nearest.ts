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

const comparedCharactersMax = 200;

/** Levenshtein's, of the beginnings: what a stranger sends may be long. */
function editDistance(whole: string, candidate: string): number {
  const word = whole.slice(0, comparedCharactersMax);
  let previous = Array.from({ length: candidate.length + 1 }, (_, i) => i);
  for (let i = 1; i <= word.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= candidate.length; j += 1) {
      const substitute = (previous[j - 1] as number) + (word[i - 1] === candidate[j - 1] ? 0 : 1);
      current.push(Math.min(substitute, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[candidate.length] as number;
}

const lastCharacter = 0x10ffff;
const surrogatesBegin = 0xd800;
const surrogatesEnd = 0xdfff;

/**
 * The first text, in the order of UTF-8's bytes, after all that have this prefix; undefined when there is none. That
 * order is the order of characters' numbers.
 */
export function prefixEnd(prefix: string): string | undefined {
  const characters = [...prefix].map((character) => character.codePointAt(0) as number);
  while (characters.at(-1) === lastCharacter) characters.pop();
  const last = characters.pop();
  if (last === undefined) return undefined;
  const next = last + 1;
  // Halves of pairs are no characters.
  characters.push(next >= surrogatesBegin && next <= surrogatesEnd ? surrogatesEnd + 1 : next);
  return String.fromCodePoint(...characters);
}

const lengthMax = 63;

/** A name that folders of every destination take (core's `namePattern`), or an empty one when nothing is left. */
export function toName(text: string): string {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, lengthMax + 1)
    .replace(/^-+/, '')
    .slice(0, lengthMax)
    .replace(/-+$/, '');
}

/** A machine's name as the name of the node on it. */
export function toNodeName(host: string): string {
  return toName(host) || 'node';
}

/**
 * What to run a command through so that the file system's permissions count: for root they do not, unless the right
 * to pass them over is taken away. Nothing for anyone else.
 */
export function throughPermissions(): readonly string[] {
  if (process.getuid?.() !== 0) return [];
  return [
    'setpriv',
    '--bounding-set=-dac_override,-dac_read_search',
    '--inh-caps=-dac_override,-dac_read_search',
  ];
}

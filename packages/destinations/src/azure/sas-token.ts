import { HoldfastError } from '@holdfast/core';

/**
 * A shared access signature as it is sent: each value encoded exactly once, however often it was on its way here.
 * @throws HoldfastError config_invalid, which does not quote it
 */
export function normalSas(text: string): string {
  const pairs = text
    .trim()
    .replace(/^\?/, '')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      const name = at < 0 ? pair : pair.slice(0, at);
      const value = at < 0 ? '' : pair.slice(at + 1);
      // In a signature a blank can only be a + that a URL's reader has decoded.
      const encoded = /%[0-9a-f]{2}/i.test(value) ? value : encodeURIComponent(value.replaceAll(' ', '+'));
      return `${name}=${encoded}`;
    });
  const names = new Set(pairs.map((pair) => pair.slice(0, pair.indexOf('='))));
  if (names.has('sig') && names.has('sv')) return pairs.join('&');
  throw new HoldfastError('config_invalid', 'the SAS token has no signature (sig) or version (sv)', {
    hint: 'copy it whole, beginning with sv=; in a URL its own & is written %26, = %3D and % %25',
  });
}

/** When it ends, in milliseconds since 1970; undefined where a stored policy says so. */
export function sasExpiresAtMs(token: string): number | undefined {
  const text = new URLSearchParams(token).get('se');
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** When it begins to hold. */
export function sasStartsAtMs(token: string): number | undefined {
  const text = new URLSearchParams(token).get('st');
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

import { HoldfastError } from '@holdfast/core';

/** Names that came after the list that JavaScript keeps, or replaced one of it. */
const newerNames = [
  'UTC',
  'America/Nuuk',
  'Asia/Ho_Chi_Minh',
  'Asia/Kathmandu',
  'Asia/Kolkata',
  'Asia/Yangon',
  'Europe/Kyiv',
];

/**
 * A time zone is an IANA name. An offset ("+02:00") is not one: it knows no summer.
 * @throws HoldfastError config_invalid, with the nearest name as a hint
 */
export function assertTimezone(text: string): void {
  if (isTimezone(text)) return;
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  throw new HoldfastError('config_invalid', `time zone "${shown}" is not known; allowed are IANA names`, {
    hint: `did you mean ${nearest(text)}?`,
  });
}

function isTimezone(text: string): boolean {
  // Temporal also takes offsets and whole timestamps for a zone.
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(text)) return false;
  try {
    new Temporal.ZonedDateTime(0n, text);
    return true;
  } catch {
    return false;
  }
}

function nearest(text: string): string {
  const wanted = text.slice(0, 64).trim().replaceAll(' ', '_').toLowerCase();
  if (/^[+-]|^$/.test(wanted)) return 'UTC';
  let best = { name: 'UTC', distance: Number.POSITIVE_INFINITY };
  for (const name of [...newerNames, ...Intl.supportedValuesOf('timeZone')]) {
    const lower = name.toLowerCase();
    // People leave out the continent.
    const city = lower.slice(lower.lastIndexOf('/') + 1);
    const distance = Math.min(editDistance(wanted, lower), editDistance(wanted, city) + 0.5);
    if (distance < best.distance) best = { name, distance };
  }
  return best.name;
}

/** How many characters have to be put in, taken out or changed to make one text from another. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, character] of [...from].entries()) {
    const next = [index + 1];
    for (let at = 0; at < to.length; at++) {
      const changed = (row[at] ?? 0) + (to[at] === character ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

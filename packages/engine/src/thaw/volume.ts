import type { ColdStock, Volume } from '../api.ts';

export function volumeOf(segments: readonly { readonly bytes: number }[]): Volume {
  return { segments: segments.length, bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) };
}

export function stockOf(
  segments: readonly { readonly bytes: number; readonly storageClass: string }[],
): ColdStock {
  const storageClasses = [...new Set(segments.map(({ storageClass }) => storageClass))].sort();
  return { ...volumeOf(segments), storageClasses };
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `12 segments (3.2 GB)`: for messages; units are decimal. */
export function volumeText({ segments, bytes }: Volume): string {
  let size = bytes;
  let unit = 0;
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1000;
  return `${segments} ${segments === 1 ? 'segment' : 'segments'} (${unit === 0 ? size : size.toFixed(1)} ${units[unit]})`;
}

/** `5 hours`: rounded up. */
export function hoursText(ms: number): string {
  const hours = Math.ceil(ms / 3_600_000);
  return `${hours} ${hours === 1 ? 'hour' : 'hours'}`;
}

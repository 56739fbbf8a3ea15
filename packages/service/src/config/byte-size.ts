const units = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const form = /^(\d{1,12}(?:\.\d{1,3})?)(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;

/** What is written in examples and errors. */
export const sizeForm = 'a size with its unit, such as 500MB, 64MiB or 1.5TiB';
export const rateForm = 'bytes per second with their unit, such as 500kB/s, 50MiB/s or 1.5GiB/s';

export interface SizeRange {
  /** As a person writes it. */
  readonly least: string;
  readonly most: string;
}

/** Bytes of `500MB`, `64MiB`, `1.5TiB`: decimal units by a thousand, the others by 1024; undefined for others. */
export function sizeBytes(text: string): number | undefined {
  const [, amount, unit] = form.exec(text) ?? [];
  if (amount === undefined) return undefined;
  const bytes = Math.round(Number(amount) * units[unit as keyof typeof units]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes per second of `50MiB/s`; undefined for others. */
export function rateBytes(text: string): number | undefined {
  return text.endsWith('/s') ? sizeBytes(text.slice(0, -2)) : undefined;
}

export function isSizeWithin(bytes: number, { least, most }: SizeRange): boolean {
  return bytes >= (sizeBytes(least) ?? 0) && bytes <= (sizeBytes(most) ?? 0);
}

/** Quantities as people read them. Byte units are decimal. */
const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `178 MB`, `1.03 GB`: three digits. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  // 999.5 would print as 1000: three digits are full there.
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${byteUnits[unit]}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** `1,234,567` */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 row`, `1,234 rows`, `no rows` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return value === 0 ? `no ${many}` : `${count(value)} ${value === 1 ? one : many}`;
}

/** `0.3 s`, `42 s`, `3 min 10 s`, `2 h 5 min`: the two largest units. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return both(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return both(hours, 'h', minutes % 60, 'min');
  return both(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function both(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `2026-11-20T14:00:00.123Z`: as `--point` takes it; milliseconds only where there are some. */
export function moment(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}

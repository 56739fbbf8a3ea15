const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `512 bytes`, `64.0 MiB`: for messages. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let unit = 'bytes';
  for (const larger of units) {
    if (Math.abs(size) < 1024) break;
    size /= 1024;
    unit = larger;
  }
  return unit === 'bytes' ? `${size} bytes` : `${size.toFixed(1)} ${unit}`;
}

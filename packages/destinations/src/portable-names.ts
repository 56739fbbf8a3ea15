import { notAKey, partsOf } from './keys.ts';
import { reservedPrefix } from './repository.ts';

const nameBytesMax = 255;
// What Windows, SMB shares and exFAT refuse or change. A backup that was copied to such a disk must keep its names.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unkept = /[\u0000-\u001f\u007f"*:<>?|\\]/;
const devices = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

/**
 * The parts of a key that every file system keeps as they are.
 * @throws HoldfastError config_invalid
 */
export function portableParts(key: string): readonly string[] {
  const parts = partsOf(key);
  for (const part of parts) {
    const why = whyNotPortable(part);
    if (why) throw notAKey(key, `${JSON.stringify(part)} ${why}`);
  }
  return parts;
}

function whyNotPortable(part: string): string | undefined {
  if (part.startsWith(reservedPrefix))
    return `begins with ${reservedPrefix}, as only Holdfast's own objects do`;
  if (Buffer.byteLength(part) > nameBytesMax) return `is longer than ${nameBytesMax} bytes`;
  if (unkept.test(part)) return 'has a character that not every file system keeps';
  if (/^ |[. ]$/.test(part))
    return 'begins with a blank, or ends with a blank or a dot, which some file systems drop';
  if (devices.test(part)) return 'is the name of a device on Windows';
  if (!part.isWellFormed()) return 'is not well-formed Unicode';
  if (part !== part.normalize('NFC'))
    return 'is not in normal form C, which some file systems would make of it';
  return undefined;
}

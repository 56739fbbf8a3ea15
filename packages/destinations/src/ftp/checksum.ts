import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isDone, type Reply } from './replies.ts';
import type { FtpSession } from './session.ts';

/** A way in which a server says the checksum of a file that it has. */
export interface ServerChecksum {
  readonly command: 'HASH' | 'XSHA256' | 'XSHA512' | 'XSHA1' | 'XMD5' | 'XCRC';
  readonly algorithm: 'sha256' | 'sha512' | 'sha1' | 'md5' | 'crc32';
  /** No damage that happens by itself goes unseen. */
  readonly trustworthy: boolean;
}

/** The best first. */
const ways: readonly ServerChecksum[] = [
  { command: 'HASH', algorithm: 'sha256', trustworthy: true },
  { command: 'XSHA256', algorithm: 'sha256', trustworthy: true },
  { command: 'XSHA512', algorithm: 'sha512', trustworthy: true },
  { command: 'XSHA1', algorithm: 'sha1', trustworthy: true },
  { command: 'XMD5', algorithm: 'md5', trustworthy: true },
  { command: 'XCRC', algorithm: 'crc32', trustworthy: false },
];

/** The best way that a server offers. */
export function checksumOf(features: ReadonlyMap<string, string>): ServerChecksum | undefined {
  return ways.find(({ command }) => {
    const value = features.get(command);
    return value !== undefined && (command !== 'HASH' || /(^|;)SHA-256\*?(;|$)/i.test(value));
  });
}

/** The server's checksum of a whole file in hexadecimal digits, or the answer with which it gives none. */
export async function askChecksum(
  session: FtpSession,
  way: ServerChecksum,
  path: string,
): Promise<{ readonly digits: string } | { readonly refused: Reply }> {
  if (way.command === 'HASH') {
    const chosen = await session.ask('OPTS HASH SHA-256');
    if (!isDone(chosen)) return { refused: chosen };
  }
  // After the older commands a blank ends the name, unless it is in quotes.
  const name = way.command !== 'HASH' && path.includes(' ') ? `"${path}"` : path;
  // The server reads the whole file.
  const reply = await session.ask(`${way.command} ${name}`, { patient: true });
  const line = (reply.message.split('\n').at(-1) ?? '').slice(3).replace(path, '');
  const length = way.algorithm === 'crc32' ? '1,8' : lengthOf(way);
  const digits = new RegExp(`(?:^|\\s)([0-9a-f]{${length}})(?=\\s|$)`, 'i');
  const found = isDone(reply) ? digits.exec(line)?.[1] : undefined;
  if (found === undefined) return { refused: reply };
  return { digits: way.algorithm === 'crc32' ? found.padStart(8, '0').toLowerCase() : found.toLowerCase() };
}

function lengthOf({ algorithm }: ServerChecksum): number {
  return { sha256: 64, sha512: 128, sha1: 40, md5: 32, crc32: 8 }[algorithm];
}

/** The same of bytes that pass here. */
export class RunningChecksum {
  readonly #hash: ReturnType<typeof createHash> | undefined;
  #crc = 0;

  constructor(algorithm: ServerChecksum['algorithm']) {
    this.#hash = algorithm === 'crc32' ? undefined : createHash(algorithm);
  }

  update(block: Uint8Array): void {
    if (this.#hash) this.#hash.update(block);
    else this.#crc = crc32(block, this.#crc);
  }

  digits(): string {
    return this.#hash ? this.#hash.digest('hex') : this.#crc.toString(16).padStart(8, '0');
  }
}

import { HoldfastError } from '@holdfast/core';

/**
 * As much of the tar format (POSIX.1-1988 ustar, sizes in base 256 where octal ends) as an image needs, so that
 * `zstd -dc … | tar -x` gives the database files without Holdfast.
 */
const blockBytes = 512;

export function tarHeader(name: string, sizeBytes: number, modifiedMs: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    header.write(
      `${Math.floor(value)
        .toString(8)
        .padStart(length - 1, '0')}\0`,
      at,
      'latin1',
    );
  };
  if (Buffer.byteLength(name) > 100)
    throw new HoldfastError('internal', `the name ${name} is too long for tar`);
  header.write(name, 0, 'utf8');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (sizeBytes < 8 ** 11) octal(sizeBytes, 124, 12);
  else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  octal(modifiedMs / 1000, 136, 12);
  header.fill(' ', 148, 156);
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** What follows a member's bytes, up to a whole block. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

export function tarEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes);
}

export interface TarSink {
  /** A member begins. */
  open(name: string, sizeBytes: number): void;
  write(bytes: Uint8Array): void;
  /** It is complete. */
  close(): void;
}

/** @throws HoldfastError corrupt when the archive ends early or is none */
export async function readTar(
  blocks: AsyncIterable<Uint8Array>,
  sink: TarSink,
  signal: AbortSignal,
): Promise<void> {
  const header = Buffer.alloc(blockBytes);
  let headerFilled = 0;
  let left = 0;
  let padding = 0;
  let ended = false;
  for await (const block of blocks) {
    signal.throwIfAborted();
    for (let at = 0; at < block.length && !ended; ) {
      if (left > 0) {
        const take = Math.min(left, block.length - at);
        sink.write(block.subarray(at, at + take));
        at += take;
        left -= take;
        if (left === 0) sink.close();
      } else if (padding > 0) {
        const take = Math.min(padding, block.length - at);
        at += take;
        padding -= take;
      } else {
        const take = Math.min(blockBytes - headerFilled, block.length - at);
        header.set(block.subarray(at, at + take), headerFilled);
        at += take;
        headerFilled += take;
        if (headerFilled < blockBytes) continue;
        headerFilled = 0;
        if (header.every((byte) => byte === 0)) {
          ended = true;
          continue;
        }
        const member = parseHeader(header);
        left = member.sizeBytes;
        padding = tarPadding(left).length;
        sink.open(member.name, member.sizeBytes);
        if (left === 0) sink.close();
      }
    }
  }
  if (!ended) throw new HoldfastError('corrupt', 'the image ends in the middle');
}

function parseHeader(header: Buffer): { name: string; sizeBytes: number } {
  const copy = Buffer.from(header);
  copy.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of copy) sum += byte;
  const text = (at: number, length: number): string =>
    header.toString('latin1', at, at + length).replace(/[\0 ].*$/s, '');
  if (sum !== Number.parseInt(text(148, 8), 8))
    throw new HoldfastError('corrupt', 'the image is no tar archive');
  const name = header.toString('utf8', 0, 100).replace(/\0.*$/s, '');
  const wide = (header[124] ?? 0) >= 0x80;
  const sizeBytes = wide ? Number(header.readBigUInt64BE(128)) : Number.parseInt(text(124, 12), 8);
  return { name, sizeBytes };
}

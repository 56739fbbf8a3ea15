import { createHash, randomBytes } from 'node:crypto';

/** Tells blocks of Holdfast from those of other programs. */
const mark = Buffer.from('hf');
const lineBytes = 16;
/** Of every name of ours: the service wants all of an object to be equally long. */
export const blockIdLength = 52;

/**
 * The blocks of one write have a line of their own in their names, so that two writers of a key never take one
 * another's. A resumable write has the same line whenever it is begun anew with the same content.
 */
export function lineOf(content?: {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly blockBytes: number;
}): Buffer {
  if (!content) return randomBytes(lineBytes);
  const { sizeBytes, sha256, blockBytes } = content;
  return createHash('sha256').update(`${sizeBytes} ${sha256} ${blockBytes}`).digest().subarray(0, lineBytes);
}

/**
 * The name of a block says where it belongs and what it holds: the service tells nothing of an unfinished block but
 * its name and size. All names are equally long, as the service wants; 64 bytes would be allowed.
 */
export function blockId(line: Buffer, index: number, md5: Buffer): string {
  const position = Buffer.alloc(4);
  position.writeUInt32BE(index);
  return Buffer.concat([mark, line, position, md5]).toString('base64');
}

export function isOfLine(id: string, line: Buffer): boolean {
  const bytes = Buffer.from(id, 'base64');
  return bytes.subarray(0, mark.length + line.length).equals(Buffer.concat([mark, line]));
}

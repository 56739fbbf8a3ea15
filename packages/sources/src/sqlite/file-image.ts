import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { HoldfastError } from '@holdfast/core';
import { translate } from './errors.ts';
import type { PageImage } from './page-file.ts';

export const sqliteMagic = 'SQLite format 3\0';
export const encodings = ['utf8', 'utf8', 'utf16le', 'utf16be'] as const;

export interface OpenedImage extends Disposable {
  readonly image: PageImage;
}

/**
 * The pages of a database file that nobody else has open: a restored one, a copy. Not for a user's database, whose
 * locks a close here would drop.
 */
export function imageOfFile(path: string): OpenedImage {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (caught) {
    throw translate(caught, `cannot read ${path}`);
  }
  const header = Buffer.alloc(100);
  const got = readSync(fd, header, 0, 100, 0);
  if (got < 100 || header.toString('latin1', 0, 16) !== sqliteMagic) {
    closeSync(fd);
    throw new HoldfastError('corrupt', `${path} is not a SQLite database`);
  }
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  return {
    image: {
      path,
      fd,
      pageSize,
      usable: pageSize - (header[20] ?? 0),
      pageCount: Math.floor(fstatSync(fd).size / pageSize),
      encoding: encodings[header.readUInt32BE(56)] ?? 'utf8',
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

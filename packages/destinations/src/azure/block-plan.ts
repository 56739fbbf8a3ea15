import { HoldfastError } from '@holdfast/core';

const mebibyte = 1024 * 1024;

/** What the service takes: https://learn.microsoft.com/rest/api/storageservices/put-block */
export const blocksMax = 50_000;
const blockBytesMax = 4000 * mebibyte;

/** Of an object whose size is not known, so many blocks have the same size; those after them twice that. */
const blocksPerSize = 5_000;

const parallelMax = 4;
/** Blocks on their way take no more memory together, unless a single one is larger. */
const underwayBytesMax = 64 * mebibyte;

/** In which blocks an object is sent. */
export interface BlockPlan {
  /** @throws HoldfastError unsupported past the last one that the service takes */
  bytesOf(index: number): number;
  /** How many are on their way at once, at most. */
  parallelAt(index: number): number;
}

/**
 * @param sizeBytes of the object, if known: then all blocks but the last have one size
 * @param blockBytes what is wanted; larger ones are taken where 50,000 of them would not do
 */
export function blockPlan(sizeBytes: number | undefined, blockBytes: number): BlockPlan {
  const bytesOf = (index: number): number => {
    if (index >= blocksMax) throw tooLarge();
    if (sizeBytes === undefined)
      return Math.min(blockBytesMax, blockBytes * 2 ** Math.floor(index / blocksPerSize));
    return evenBytes(sizeBytes, blockBytes);
  };
  if (sizeBytes !== undefined && evenBytes(sizeBytes, blockBytes) > blockBytesMax) throw tooLarge();
  return {
    bytesOf,
    parallelAt: (index) => Math.min(parallelMax, Math.max(1, Math.floor(underwayBytesMax / bytesOf(index)))),
  };
}

function evenBytes(sizeBytes: number, blockBytes: number): number {
  return Math.max(blockBytes, Math.ceil(sizeBytes / blocksMax / mebibyte) * mebibyte);
}

function tooLarge(): HoldfastError {
  return new HoldfastError(
    'unsupported',
    `an object has at most ${blocksMax} blocks in Azure, of 4000 MiB each`,
    {
      hint: 'choose larger blocks (blockSize=64, in MiB), or split the backup into smaller files',
    },
  );
}

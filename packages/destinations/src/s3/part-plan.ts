import { HoldfastError } from '@holdfast/core';

const mebibyte = 1_048_576;
/** Amazon's limits; no other server is known to allow more. */
export const partsMax = 10_000;
export const partBytesMin = 5 * mebibyte;
export const partBytesMax = 5 * 1024 * mebibyte;
export const defaultPartBytes = 16 * mebibyte;
/** Some servers keep no more parts of one object, and one page of a listing shows as many. */
const partsWanted = 1_000;

export interface PartPlan {
  /** How many bytes part `number` (from 1) has, unless the object ends in it. */
  sizeOf(number: number): number;
  /** Undefined when the object's size is not known. */
  readonly partCount: number | undefined;
}

/**
 * Parts of an object whose size is known: all of one size, as some servers demand, and as small as 1,000 of them allow.
 * The same object is always divided in the same way, so that an upload that broke off can be gone on with.
 * @throws HoldfastError config_invalid for an object that is larger than 10,000 of the largest parts
 */
export function planOf(sizeBytes: number, partBytes: number): PartPlan {
  const needed = Math.ceil(sizeBytes / partsWanted / mebibyte) * mebibyte;
  const size = Math.min(Math.max(partBytes, needed), partBytesMax);
  const partCount = Math.max(1, Math.ceil(sizeBytes / size));
  if (partCount > partsMax) {
    throw new HoldfastError('config_invalid', `an object of ${sizeBytes} bytes is larger than S3 keeps`, {
      hint: `the largest has ${partsMax} parts of ${partBytesMax} bytes`,
    });
  }
  return { sizeOf: () => size, partCount };
}

/**
 * Parts of an object whose size nobody knows: they begin small, and double after each 1,000, so that 5 TB need fewer
 * than 10,000. Where all parts have to be equal they are, and the object can have no more than 10,000 of them.
 */
export function planOfUnknown(partBytes: number, o: { readonly equal: boolean }): PartPlan {
  const sizeOf = (number: number): number => {
    const doublings = o.equal ? 0 : Math.floor((number - 1) / partsWanted);
    return Math.min(partBytes * 2 ** doublings, partBytesMax);
  };
  return { sizeOf, partCount: undefined };
}

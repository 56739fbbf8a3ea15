import { seededBytes } from '@holdfast/testing';

const sizeBytes = 1_500_000;

export function keyOf(number: number): string {
  return number % 3 === 0 ? 'replaced/object' : `once/${number}`;
}

/** The number stands in the first bytes: a reader knows what the rest must be. */
export function objectOf(number: number): Uint8Array {
  const bytes = seededBytes(sizeBytes, number);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

import { type DestinationDriver, throwIfAborted } from '@holdfast/core';
import { TapeDestination } from './tape-destination.ts';
import { parseTapeUrl } from './url.ts';

/** `tape:/srv/tapes/monday` */
export const tapeDriver = {
  type: 'tape',
  schemes: ['tape'],
  async open(url, o) {
    throwIfAborted(o.signal);
    return new TapeDestination({ ...parseTapeUrl(url), expectedId: o.expectedId });
  },
} as const satisfies DestinationDriver;

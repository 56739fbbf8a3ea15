import {
  type Clock,
  type DestinationDriver,
  type OpenDestinationOptions,
  SystemClock,
  throwIfAborted,
} from '@holdfast/core';
import { S3Destination } from './s3-destination.ts';
import { parseS3Url } from './url.ts';

export { S3Destination, type S3Options } from './s3-destination.ts';
export { parseS3Url, type S3Location } from './url.ts';

export interface OpenS3 extends OpenDestinationOptions {
  readonly clock?: Clock;
}

/** `s3://bucket/prefix?region=eu-central-1` */
export const s3Driver = {
  type: 's3',
  schemes: ['s3'],
  async open(url: string, o: OpenS3): Promise<S3Destination> {
    throwIfAborted(o.signal);
    const { expectedId, credentials, clock = new SystemClock() } = o;
    return new S3Destination({ location: parseS3Url(url), expectedId, credentials, clock });
  },
} as const satisfies DestinationDriver;

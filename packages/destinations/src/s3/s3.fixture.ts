import { SystemClock } from '@holdfast/core';
import { S3Destination, type S3Options } from './s3-destination.ts';
import { parseS3Url } from './url.ts';

export const mebibyte = 1_048_576;
export const never = new AbortController().signal;

export interface PlaceToOpen extends Partial<Omit<S3Options, 'location'>> {
  readonly endpoint: string;
  readonly bucket?: string;
  readonly prefix?: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Further parameters of the URL, encoded. */
  readonly parameters?: string;
}

/** A destination as its URL says it. */
export function openPlace(o: PlaceToOpen): S3Destination {
  const { endpoint, bucket = 'a-bucket', prefix = '', accessKeyId = 'KEY', secretAccessKey = 'secret' } = o;
  const { parameters = '', clock = new SystemClock(), ...options } = o;
  const query = new URLSearchParams({ endpoint });
  if (!o.credentials) {
    query.set('accessKeyId', accessKeyId);
    query.set('secretAccessKey', secretAccessKey);
  }
  const more = parameters === '' ? '' : `&${parameters}`;
  const location = parseS3Url(`s3://${bucket}/${prefix}?${query}${more}`);
  return new S3Destination({ ...options, location, clock });
}

import {
  type Clock,
  type DestinationDriver,
  type OpenDestinationOptions,
  SystemClock,
  throwIfAborted,
} from '@holdfast/core';
import { SftpDestination } from './sftp-destination.ts';
import { parseSftpUrl } from './url.ts';

export { SftpDestination, type SftpOptions } from './sftp-destination.ts';
export { parseSftpUrl, type SftpLocation } from './url.ts';

/** `sftp://user:password@host:22/srv/backups?hostKey=SHA256:…` */
export const sftpDriver = {
  type: 'sftp',
  schemes: ['sftp'],
  async open(url: string, o: OpenDestinationOptions & { readonly clock?: Clock }): Promise<SftpDestination> {
    throwIfAborted(o.signal);
    const { expectedId, credentials } = o;
    const clock = o.clock ?? new SystemClock();
    return new SftpDestination({ location: parseSftpUrl(url), credentials, expectedId, clock });
  },
} as const satisfies DestinationDriver;

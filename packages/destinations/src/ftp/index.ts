import {
  type Clock,
  type CredentialCommand,
  type DestinationDriver,
  HoldfastError,
  type Sig,
  SystemClock,
  throwIfAborted,
} from '@holdfast/core';
import { FtpDestination } from './ftp-destination.ts';
import { parseFtpUrl } from './url.ts';

export { FtpDestination, type FtpOptions } from './ftp-destination.ts';
export { type FtpLocation, parseFtpUrl } from './url.ts';

export interface OpenFtp extends Sig {
  readonly clock?: Clock;
  /** `FtpDestination.repositoryId` as it was when this URL was last used. */
  readonly expectedId?: string | undefined;
  /** Prints `user` and `password`, or one of them. */
  readonly credentials?: CredentialCommand | undefined;
}

/** `ftps://user:password@host/path`, `ftps://…?implicit=true`, `ftp://…?allowPlaintext=true` */
export const ftpDriver = {
  type: 'ftp',
  schemes: ['ftps', 'ftp'],
  async open(url: string, o: OpenFtp): Promise<FtpDestination> {
    throwIfAborted(o.signal);
    const location = parseFtpUrl(url);
    const { credentials, expectedId } = o;
    if (!credentials && (location.user === undefined || location.password === undefined)) {
      const what = location.user === undefined ? 'user' : 'password';
      throw new HoldfastError('config_invalid', `the URL of the server ${location.host} names no ${what}`, {
        hint: 'write ftps://user:password@host/path, or name a command that prints the credentials',
      });
    }
    return new FtpDestination({ location, credentials, expectedId, clock: o.clock ?? new SystemClock() });
  },
} as const satisfies DestinationDriver;

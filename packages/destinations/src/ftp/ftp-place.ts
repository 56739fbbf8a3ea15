import type { Clock, CredentialCommand, Sig } from '@holdfast/core';
import { HoldfastError } from '@holdfast/core';
import { CommandCredentials } from '../credential-command.ts';
import { checksumOf, type ServerChecksum } from './checksum.ts';
import { openSession } from './connect.ts';
import { ftpError } from './errors.ts';
import { KeyLocks } from './key-locks.ts';
import { type Lease, type LeaseKind, SessionPool } from './pool.ts';
import type { FtpSession } from './session.ts';
import type { FtpLocation } from './url.ts';

export interface FtpPlaceOptions {
  readonly location: FtpLocation;
  readonly credentials?: CredentialCommand | undefined;
  readonly clock: Clock;
  readonly description: string;
}

/** A server's sessions, and what is known of it. */
export class FtpPlace {
  readonly locks = new KeyLocks();
  readonly #o: FtpPlaceOptions;
  readonly #pool: SessionPool;
  readonly #credentials: CommandCredentials | undefined;
  #checksum: ServerChecksum | undefined;
  #checksumGiven = true;

  constructor(options: FtpPlaceOptions) {
    const { location, credentials, clock } = options;
    this.#o = options;
    this.#credentials = credentials && new CommandCredentials(credentials, clock);
    this.#pool = new SessionPool({ parallel: location.parallel, clock, open: (o) => this.#open(o) });
  }

  /** How the server proves what it stored; known once there was a session. */
  get checksum(): ServerChecksum | undefined {
    return this.#checksumGiven ? this.#checksum : undefined;
  }

  forgetChecksum(): void {
    this.#checksumGiven = false;
  }

  use<T>(kind: LeaseKind, signal: AbortSignal, act: (session: FtpSession) => Promise<T>): Promise<T> {
    return this.#pool.use(kind, signal, act);
  }

  lease(kind: LeaseKind, signal: AbortSignal): Promise<Lease> {
    return this.#pool.lease(kind, signal);
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
  }

  async #open(o: Sig): Promise<FtpSession> {
    try {
      return await this.#logIn(o, false);
    } catch (error) {
      const refused = error instanceof HoldfastError && error.code === 'unauthenticated';
      // What the command gave may have been changed on the server since.
      if (!refused || !this.#credentials) throw error;
      return await this.#logIn(o, true);
    }
  }

  async #logIn({ signal }: Sig, fresh: boolean): Promise<FtpSession> {
    const { location, clock, description } = this.#o;
    try {
      const credentials = await this.#credentials?.get({ signal, fresh });
      const session = await openSession({ location, credentials, clock, signal });
      this.#checksum ??= checksumOf(session.features);
      return session;
    } catch (error) {
      throw ftpError(error, { description, location, action: 'log in to', path: '' });
    }
  }
}

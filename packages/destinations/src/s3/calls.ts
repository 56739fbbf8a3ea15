import { Readable } from 'node:stream';
import {
  type $Command,
  HeadObjectCommand,
  type S3ClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import { abortError, type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import type { OpenClient } from './client.ts';
import { s3Error, s3ErrorName, s3Status } from './errors.ts';
import type { S3Location } from './url.ts';

type Call<I extends ServiceInputTypes, O extends ServiceOutputTypes> = $Command<
  I,
  O,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

export interface CallsOptions {
  readonly open: OpenClient;
  readonly location: S3Location;
  /** As a person may see the place. */
  readonly place: string;
  readonly clock: Clock;
}

/** How the parts of this driver ask the server. */
export class S3Calls {
  readonly location: S3Location;
  readonly place: string;
  readonly clock: Clock;
  readonly #open: OpenClient;

  constructor(options: CallsOptions) {
    this.#open = options.open;
    this.location = options.location;
    this.place = options.place;
    this.clock = options.clock;
  }

  get bucket(): string {
    return this.location.bucket;
  }

  /** Rejects with the client's own errors: `telling` translates them. */
  async send<I extends ServiceInputTypes, O extends ServiceOutputTypes>(
    command: Call<I, O>,
    { signal }: Sig,
  ): Promise<O> {
    throwIfAborted(signal);
    try {
      return await this.#open.client.send(command, { abortSignal: signal });
    } catch (error) {
      if (!mayBeExpired(command, error) || signal.aborted || !this.#open.renew()) throw error;
      if ((command.input as { Body?: unknown }).Body instanceof Readable) {
        throw new HoldfastError('unavailable', `the session token for ${this.place} had expired`, {
          cause: error,
          hint: 'the credentials command is asked for another one',
        });
      }
      return await this.#open.client.send(command, { abortSignal: signal });
    }
  }

  /** Runs a step and translates its errors. @param action in words: `write a/key` */
  async telling<T>(action: string, { signal }: Sig, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw this.told(action, { signal }, error);
    }
  }

  told(action: string, { signal }: Sig, error: unknown): HoldfastError {
    if (error instanceof HoldfastError) return error;
    if (signal.aborted) return abortError(signal);
    const { place, bucket, clock } = this;
    const { endpoint, region } = this.location;
    return s3Error(error, { place, bucket, action, endpoint, region, nowMs: clock.now() });
  }
}

/** The answer to a HEAD has no body that would name the error. */
function mayBeExpired(command: unknown, error: unknown): boolean {
  return (
    expired.includes(s3ErrorName(error)) || (command instanceof HeadObjectCommand && s3Status(error) === 400)
  );
}

const expired = ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired'];

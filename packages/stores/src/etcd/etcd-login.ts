import type { Clock } from '@holdfast/core';
import { CallLimit } from './call-limit.ts';
import { isWithoutUsers } from './errors.ts';
import type { EtcdMember } from './etcd-member.ts';
import type { EtcdSettings } from './etcd-options.ts';

/**
 * The token that etcd gives for a user and a password, and that comes with each call. Checking a password is meant to
 * be slow: all calls share one token, and one attempt to get it.
 */
export class EtcdLogin {
  readonly #login: EtcdSettings['login'];
  readonly #clock: Clock;
  readonly #callMaxMs: number;
  #token: Promise<string | undefined> | undefined;

  constructor(o: Pick<EtcdSettings, 'login' | 'callMaxMs'> & { readonly clock: Clock }) {
    this.#login = o.login;
    this.#clock = o.clock;
    this.#callMaxMs = o.callMaxMs;
  }

  /** Undefined where none is needed. */
  token(member: EtcdMember): Promise<string | undefined> {
    if (!this.#login) return Promise.resolve(undefined);
    if (!this.#token) {
      const token = this.#authenticate(member, this.#login);
      this.#token = token;
      token.catch(() => {
        if (this.#token === token) this.#token = undefined;
      });
    }
    return this.#token;
  }

  /** That token is no longer good. False when there is nobody to get another one for. */
  async renew(token: string | undefined): Promise<boolean> {
    const current = await this.#token?.catch(() => undefined);
    // Another call may have noticed before, and have a new one by now.
    if (current === token) this.#token = undefined;
    return this.#login !== undefined;
  }

  async #authenticate(
    member: EtcdMember,
    { user, password }: NonNullable<EtcdSettings['login']>,
  ): Promise<string | undefined> {
    using limit = new CallLimit({ clock: this.#clock, signals: [], maxMs: this.#callMaxMs });
    const { signal } = limit;
    try {
      const answer = await member.auth.authenticate({ name: user, password: password.reveal() }, { signal });
      return answer.token;
    } catch (caught) {
      // Users are switched off while they are set up: then nobody is asked who he is.
      if (isWithoutUsers(caught)) return undefined;
      throw caught;
    }
  }
}

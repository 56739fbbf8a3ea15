import type { IncomingMessage } from 'node:http';
import { type Clock, HoldfastError, type Secret } from '@holdfast/core';
import { digestOf, isSigned, type PeerClaim, readPeerClaim } from './peer-signature.ts';

export interface PeerAdmissionOptions {
  /** The node that is asked. */
  readonly node: string;
  /** Undefined: other nodes are not let in. */
  readonly secret: Secret | undefined;
  readonly clock: Clock;
}

/** How far clocks of two nodes may be apart; a request that was overheard is good for so long. */
const windowMs = 5 * 60_000;

/** Of requests that change something; more within the window, and the oldest could be repeated. */
const noncesMax = 10_000;

/** Which requests come from nodes of the same cluster: those that were signed with its secret, for this node, now. */
export class PeerAdmission {
  readonly #o: PeerAdmissionOptions;
  readonly #admitted = new WeakMap<IncomingMessage, PeerClaim>();
  /** Nonces of writes, with when they came, oldest first. A read that is repeated changes nothing. */
  readonly #nonces = new Map<string, number>();

  constructor(options: PeerAdmissionOptions) {
    this.#o = options;
  }

  /**
   * @returns false when the request does not say that it is a node's
   * @throws HoldfastError unauthenticated when it is not what it says
   */
  admits(request: IncomingMessage): boolean {
    const claim = readPeerClaim(request.headers.authorization);
    if (claim === undefined) return false;
    if (!this.#admitted.has(request)) {
      this.#check(claim, request);
      this.#admitted.set(request, claim);
    }
    return true;
  }

  /** The node that a request comes from; undefined: a person's. */
  peerOf(request: IncomingMessage): string | undefined {
    return this.#admitted.get(request)?.from;
  }

  /** Once a body has come whole. @throws HoldfastError unauthenticated when it is not the one that was signed */
  checkBody(request: IncomingMessage, body: string): void {
    const claim = this.#admitted.get(request);
    if (claim === undefined || claim.bodyDigest === digestOf(body)) return;
    throw new HoldfastError('unauthenticated', `the body is not the one that ${claim.from} has signed`, {
      hint: 'something between the two nodes changes requests',
    });
  }

  #check(claim: PeerClaim, { method = '', url = '' }: IncomingMessage): void {
    const { node, secret, clock } = this.#o;
    const { from, to, timeMs, nonce } = claim;
    if (from === '') {
      throw new HoldfastError('unauthenticated', `${node} cannot read the signature of another node`, {
        hint: 'use the same version of Holdfast on all nodes',
      });
    }
    if (secret === undefined) {
      throw new HoldfastError(
        'unauthenticated',
        `${node} has no cluster.secret: it does not let ${from} in`,
        {
          hint: 'give all nodes the same cluster.secret',
        },
      );
    }
    if (to !== node) {
      throw new HoldfastError('unauthenticated', `${from} meant to ask ${to}, and has reached ${node}`, {
        hint: `look at cluster.advertise of ${to}: it leads to ${node}`,
      });
    }
    if (!isSigned({ method, path: url }, claim, secret)) {
      throw new HoldfastError('unauthenticated', `the cluster.secret of ${from} is not that of ${node}`, {
        hint: `give ${from} and ${node} the same cluster.secret, and start them anew`,
      });
    }
    const apartMs = Math.abs(timeMs - clock.now());
    if (apartMs > windowMs) {
      const seconds = Math.round(apartMs / 1000);
      throw new HoldfastError('unauthenticated', `the clocks of ${from} and ${node} are ${seconds} s apart`, {
        hint: `signatures are good for ${windowMs / 60_000} minutes: let both follow a time server`,
      });
    }
    if (method !== 'GET') this.#remember(nonce, from);
  }

  #remember(nonce: string, from: string): void {
    const nowMs = this.#o.clock.elapsed();
    for (const [old, atMs] of this.#nonces) {
      // The sender's clock may be ahead by a whole window.
      if (this.#nonces.size < noncesMax && nowMs - atMs <= 2 * windowMs) break;
      this.#nonces.delete(old);
    }
    if (this.#nonces.has(nonce)) {
      throw new HoldfastError('unauthenticated', `a request of ${from} has come a second time`, {
        hint: 'something between the two nodes repeats requests',
      });
    }
    this.#nonces.set(nonce, nowMs);
  }
}

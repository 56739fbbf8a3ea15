import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { HoldfastError, type Secret } from '@holdfast/core';
import { TransportError } from './api-error.ts';
import type { PeerAdmission } from './peer-admission.ts';

export interface AdmissionOptions {
  readonly token: Secret | undefined;
  readonly tls: boolean;
  /** Only this machine reaches the server. */
  readonly loopback: boolean;
  /** Names, with or without a port, by which the node may be addressed besides. */
  readonly names: readonly string[];
  /** Other nodes come without the token: they sign. */
  readonly peers: PeerAdmission;
}

/**
 * Who is let in. Three strangers are kept out: one without the token; a page whose name was made to lead to this
 * machine (DNS rebinding: its requests carry that name as Host); a page of another origin that only wants to be heard.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #names: ReadonlySet<string>;
  readonly #tokenHash: Buffer | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#names = new Set(options.names.map((name) => name.toLowerCase()));
    this.#tokenHash = options.token && sha256(options.token.reveal());
  }

  /** @throws HoldfastError unauthenticated, permission_denied */
  check(request: IncomingMessage): void {
    // Neither does a page know the cluster's secret, nor does it matter by which name a node was found that does.
    if (this.#options.peers.admits(request)) return;
    const host = request.headers.host ?? '';
    if (!this.#isOurs(host.toLowerCase(), request.socket.localPort)) {
      throw new TransportError(
        421,
        'permission_denied',
        `the Host header names another server: ${show(host)}`,
        {
          hint: this.#options.loopback
            ? `address the node as 127.0.0.1:${request.socket.localPort}, or add the name to its names`
            : 'address the node by one of its configured names, or add this one to them',
        },
      );
    }
    this.#checkOrigin(request, host);
    this.#checkToken(request.headers.authorization);
  }

  isAdmitted(request: IncomingMessage): boolean {
    try {
      this.check(request);
      return true;
    } catch {
      return false;
    }
  }

  #isOurs(host: string, port: number | undefined): boolean {
    const [, name = '', digits] = /^(\[[0-9a-f:.]+\]|[^:[\]]*)(?::(\d+))?$/.exec(host) ?? [];
    if (this.#names.has(host) || this.#names.has(name)) return true;
    if (!this.#options.loopback) {
      // Nobody can make a page's own name into an address or this one; probes and people use them.
      return name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
    }
    const usualPort = this.#options.tls ? 443 : 80;
    return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(name) && Number(digits ?? usualPort) === port;
  }

  #checkOrigin({ headers, method }: IncomingMessage, host: string): void {
    const site = headers['sec-fetch-site'];
    const own = `${this.#options.tls ? 'https' : 'http'}://${host}`.toLowerCase();
    const foreignOrigin = headers.origin !== undefined && headers.origin.toLowerCase() !== own;
    const foreignSite = method !== 'GET' && site !== undefined && site !== 'same-origin' && site !== 'none';
    if (!foreignOrigin && !foreignSite) return;
    throw new HoldfastError(
      'permission_denied',
      `a page of another origin asks: ${show(headers.origin ?? '')}`,
      {
        hint: 'pages of other origins are never served',
      },
    );
  }

  #checkToken(authorization: string | undefined): void {
    if (this.#tokenHash === undefined) return;
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
    if (given === undefined) {
      throw new HoldfastError('unauthenticated', 'this node asks for a token', {
        hint: 'send it as authorization: Bearer TOKEN; with holdfast by --token-file or HOLDFAST_TOKEN',
      });
    }
    // Hashes have one length, and comparing them takes one time, whatever was guessed.
    if (timingSafeEqual(sha256(given), this.#tokenHash)) return;
    throw new HoldfastError('unauthenticated', 'the token is not the one of this node', {
      hint: 'take the one that the node is configured with',
    });
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function show(text: string): string {
  return text === '' ? 'none' : text.slice(0, 100);
}

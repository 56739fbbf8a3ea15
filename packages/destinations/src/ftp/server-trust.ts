import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, DEFAULT_CIPHERS, type TLSSocket } from 'node:tls';
import { HoldfastError } from '@holdfast/core';
import { fingerprintOf, printFingerprint } from './fingerprint.ts';
import type { FtpLocation } from './url.ts';

type TrustRules = Pick<FtpLocation, 'host' | 'caFile' | 'fingerprint' | 'serverName'>;

/** As usual, but first the one that takes the least time where processors know AES, which is what limits uploads here. */
const quick = 'TLS_AES_128_GCM_SHA256';
const ciphers = [quick, ...DEFAULT_CIPHERS.split(':').filter((name) => name !== quick)].join(':');

/** Which certificate a server has to show, on each of its connections. */
export class ServerTrust {
  readonly #rules: TrustRules;
  readonly #ca: string | undefined;

  private constructor(rules: TrustRules, ca: string | undefined) {
    this.#rules = rules;
    this.#ca = ca;
  }

  /** @throws HoldfastError config_invalid when the file of the authority cannot be read */
  static async from(rules: TrustRules): Promise<ServerTrust> {
    const { caFile } = rules;
    if (caFile === undefined) return new ServerTrust(rules, undefined);
    const hint = 'caFile names a file with the certificates (PEM) of the authorities to trust';
    const text = await readFile(caFile, 'utf8').catch((cause: unknown) => {
      throw new HoldfastError('config_invalid', `cannot read the certificates in ${caFile}`, { hint, cause });
    });
    if (!text.includes('-----BEGIN CERTIFICATE-----'))
      throw new HoldfastError('config_invalid', `${caFile} holds no certificate`, { hint });
    return new ServerTrust(rules, text);
  }

  /** A fresh object: the library adds to it. */
  get options(): ConnectionOptions {
    const { host, serverName, fingerprint } = this.#rules;
    const name = serverName ?? host;
    return {
      // A TLS session may only be continued under the name under which it was begun.
      host: name,
      ...(isIP(name) === 0 && { servername: name }),
      ...(this.#ca !== undefined && { ca: this.#ca }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      minVersion: 'TLSv1.2',
      ciphers,
      // The one certificate is known: who signed it, for whom and for how long says no more.
      rejectUnauthorized: fingerprint === undefined,
    };
  }

  /** @throws HoldfastError unauthenticated when another certificate than the pinned one was shown */
  check(socket: TLSSocket): void {
    const { fingerprint, host } = this.#rules;
    if (fingerprint === undefined) return;
    // Who can continue a session has its keys: the certificate was checked when it began, and is not shown again.
    if (socket.isSessionReused()) return;
    const shown = socket.getPeerX509Certificate();
    const found = shown && fingerprintOf(shown.raw);
    if (found === fingerprint) return;
    throw new HoldfastError(
      'unauthenticated',
      `${host} shows another certificate than the pinned one: ${found ? printFingerprint(found) : 'none'}`,
      {
        hint: 'if the server got a new certificate, compare this fingerprint with it there and change fingerprint=…; if it did not, somebody is in between',
      },
    );
  }
}

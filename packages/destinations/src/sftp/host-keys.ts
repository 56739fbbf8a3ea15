import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { type KnownHostKey, knownHostsName, knownKeysOf } from './known-hosts.ts';
import type { SftpLocation } from './url.ts';

/** The ways of signing that go with each type of key, best first. */
const algorithmsOf: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};
const systemFile = '/etc/ssh/ssh_known_hosts';

/** What is known of a host's keys, and what to say of one that is not among them. Nothing is ever accepted unseen. */
export class HostKeys {
  readonly #location: SftpLocation;
  readonly #known: readonly KnownHostKey[];
  /** Where a missing line belongs. */
  readonly #file: string;
  readonly #shown: Buffer[] = [];

  constructor(location: SftpLocation, known: readonly KnownHostKey[], file: string) {
    this.#location = location;
    this.#known = known;
    this.#file = file;
  }

  /** Reads the files of known hosts, unless fingerprints are pinned. */
  static async load(location: SftpLocation): Promise<HostKeys> {
    const own = join(homedir(), '.ssh', 'known_hosts');
    const file = location.knownHosts ?? own;
    if (location.hostKeys.length > 0) return new HostKeys(location, [], file);
    const texts =
      location.knownHosts === undefined
        ? [await readIfThere(own), await readIfThere(systemFile)]
        : [await readFile(location.knownHosts, 'utf8').catch((error: unknown) => refuseFile(file, error))];
    const known = texts.flatMap((text) => knownKeysOf(text, location.host, location.port));
    return new HostKeys(location, known, file);
  }

  /**
   * What to ask the host for: the types of its known keys, or else all but those of which it showed a wrong one. A host
   * has several keys, and shows the one that it is asked for.
   */
  get algorithms(): ServerHostKeyAlgorithm[] {
    const shown = this.#shown.map(typeOf);
    const known = this.#known.filter((each) => !each.revoked).map((each) => each.type);
    const types = Object.keys(algorithmsOf).filter((type) => known.length === 0 || known.includes(type));
    return types.filter((type) => !shown.includes(type)).flatMap((type) => algorithmsOf[type] ?? []);
  }

  /** All that can be asked for: to see which key there is when none of a known type is. */
  get allAlgorithms(): ServerHostKeyAlgorithm[] {
    return Object.values(algorithmsOf).flat();
  }

  get pinned(): boolean {
    return this.#location.hostKeys.length > 0;
  }

  accepts(key: Buffer): boolean {
    const same = this.#known.filter((each) => each.key.equals(key));
    const good = this.pinned
      ? this.#location.hostKeys.includes(fingerprintOf(key))
      : same.length > 0 && same.every((each) => !each.revoked);
    if (!good) this.#shown.push(Buffer.from(key));
    return good;
  }

  /** Whether a key was refused, so that what the connection ended with is this. */
  get refused(): boolean {
    return this.#shown.length > 0;
  }

  refusal(): HoldfastError {
    const { host, port, hostKeys } = this.#location;
    const name = `${host} port ${port}`;
    const shown = this.#shown.map((key) => `${typeOf(key)} ${fingerprintOf(key)}`).join(' and ');
    const last = this.#shown.at(-1) ?? Buffer.alloc(0);
    if (this.#known.some((each) => each.revoked && each.key.equals(last))) {
      return new HoldfastError(
        'precondition_failed',
        `${name} shows a key that is marked as revoked: ${shown}`,
        {
          hint: `someone may have stolen that key and be in between: ask the server's owner; the mark is in ${this.#file}`,
        },
      );
    }
    if (this.pinned) {
      return new HoldfastError(
        'precondition_failed',
        `THE HOST KEY OF ${name} IS NOT THE ONE THAT IS PINNED: it shows ${shown}, hostKey is ${hostKeys.join(',')}`,
        { hint: changedHint('hostKey') },
      );
    }
    if (this.#known.length > 0) {
      const expected = this.#known.map((each) => `${each.type} ${fingerprintOf(each.key)}`).join(' or ');
      return new HoldfastError(
        'precondition_failed',
        `THE HOST KEY OF ${name} HAS CHANGED: it shows ${shown}, known is ${expected}`,
        { hint: changedHint(`the line of ${knownHostsName(host, port)} in ${this.#file}`) },
      );
    }
    const line = `${knownHostsName(host, port)} ${typeOf(last)} ${last.toString('base64')}`;
    return new HoldfastError(
      'precondition_failed',
      `the host key of ${name} is not known: it shows ${shown}`,
      {
        hint:
          "compare the fingerprint with one that the server's owner gives you on another way (there: ssh-keygen -lf " +
          `/etc/ssh/ssh_host_ed25519_key.pub); if they are the same, add this line to ${this.#file}: ${line} ` +
          `(or give hostKey=${fingerprintOf(last)})`,
      },
    );
  }
}

/** As ssh-keygen prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** A key begins with the name of its type, and that with its length. */
export function typeOf(key: Buffer): string {
  return key.length < 4 ? '' : key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

function changedHint(what: string): string {
  return (
    'someone may be in between and read the backups and the password: stop, and ask the server’s owner whether the ' +
    `key was changed; only if so, and the fingerprints are the same, replace ${what}`
  );
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    return refuseFile(path, error);
  }
}

function refuseFile(path: string, error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  throw new HoldfastError('precondition_failed', `cannot read the file of known hosts ${path} (${code})`, {
    cause: error,
    hint: 'name a file that this user can read, or pin the fingerprint with hostKey=SHA256:…',
  });
}

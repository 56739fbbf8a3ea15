import { createHmac } from 'node:crypto';

export interface KnownHostKey {
  /** `ssh-ed25519`, `ssh-rsa`, … */
  readonly type: string;
  readonly key: Buffer;
  readonly revoked: boolean;
}

/**
 * The keys that a file of known hosts has for a host, in the form of OpenSSH's `sshd(8)`: names with `*` and `?`, `!` in
 * front of what is meant not to match, hashed names, `[host]:port` for ports other than 22. Lines of certificate
 * authorities are passed over: host certificates are not understood.
 */
export function knownKeysOf(text: string, host: string, port: number): KnownHostKey[] {
  const name = knownHostsName(host, port);
  const found: KnownHostKey[] = [];
  for (const line of text.split(/\r?\n/)) {
    const fields = line.trim().split(/\s+/);
    if (line.trim() === '' || line.trim().startsWith('#')) continue;
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined;
    if (marker !== undefined && marker !== '@revoked') continue;
    const [names = '', type = '', encoded = ''] = fields;
    if (type === '' || encoded === '' || !matches(names, name)) continue;
    found.push({ type, key: Buffer.from(encoded, 'base64'), revoked: marker === '@revoked' });
  }
  return found;
}

/** What a file of known hosts calls a host. */
export function knownHostsName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

function matches(names: string, name: string): boolean {
  if (names.startsWith('|1|')) {
    const [, , salt = '', hash = ''] = names.split('|');
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  let matched = false;
  for (const pattern of names.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!patternOf(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function patternOf(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

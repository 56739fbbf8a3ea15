import { HoldfastError } from '@holdfast/core';

const portDefault = 6362;
const serversMax = 50;

/**
 * Addresses of servers of one cluster, checked: one, or several with commas between. From the second on, what has no
 * scheme has that of the first, and without a port the usual one of nodes.
 *
 * @throws HoldfastError config_invalid
 */
export function serverUrls(text: string, withToken: boolean): readonly URL[] {
  const [first = '', ...others] = text.split(',').map((part) => part.trim());
  if (others.length >= serversMax)
    throw new HoldfastError('config_invalid', `more than ${serversMax} servers are named`);
  const urls = [serverUrl(first, withToken)];
  const { protocol } = urls[0] as URL;
  for (const other of others) urls.push(serverUrl(withDefaults(other, protocol), withToken));
  return urls.filter((url, at) => urls.findIndex(({ href }) => href === url.href) === at);
}

/** `b` -> `https://b:6362` */
function withDefaults(text: string, protocol: string): string {
  if (text === '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text;
  return /^(?:\[[^\]]*\]|[^:/]+)$/.test(text)
    ? `${protocol}//${text}:${portDefault}`
    : `${protocol}//${text}`;
}

/** A server's address, checked: no credentials, no query; a token goes in the clear to this machine only. */
export function serverUrl(text: string, withToken: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new HoldfastError('config_invalid', `the server's address is no http or https URL: ${text}`, {
      hint: 'as in http://127.0.0.1:6362',
    });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new HoldfastError('config_invalid', "the server's address has a user, a password or a query", {
      hint: 'give only scheme, host, port and path, and the token by itself',
    });
  }
  if (withToken && url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new HoldfastError('config_invalid', `the token would go to ${url.host} unencrypted`, {
      hint: 'use https, or a tunnel to 127.0.0.1',
    });
  }
  return url;
}

/** Of a URL's host name or an address without brackets. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(?:\.\d{1,3}){3}$/.test(bare);
}

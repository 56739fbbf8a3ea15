import { HoldfastError } from '@holdfast/core';

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

import { isIP } from 'node:net';
import { isLoopback } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';

export const listenDefault = '127.0.0.1:6362';

export interface ListenAddress {
  /** Without brackets. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** @throws HoldfastError config_invalid */
export function parseListen(text: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6)) {
    throw new HoldfastError('config_invalid', `listen is no address and port: ${text}`, {
      hint: `as in ${listenDefault} or [::1]:6362`,
    });
  }
  // One address, whatever the machine's own tables make of the name.
  return { host: host.toLowerCase() === 'localhost' ? '127.0.0.1' : host, port };
}

/** What other machines reach is guarded. @throws HoldfastError config_invalid */
export function checkExposure(
  { host }: ListenAddress,
  guards: { readonly tls: boolean; readonly token: boolean },
): void {
  const missing = [
    ...(guards.tls ? [] : ['a certificate and its key']),
    ...(guards.token ? [] : ['a token']),
  ];
  if (isLoopback(host) || missing.length === 0) return;
  throw new HoldfastError(
    'config_invalid',
    `listening on ${host}, which other machines reach, needs ${missing.join(' and ')}`,
    { hint: `configure them, or listen on ${listenDefault}` },
  );
}

/** What the system says when it does not give us the address. */
export function listenError(caught: unknown, { host, port }: ListenAddress): HoldfastError {
  const code = (caught as { code?: unknown }).code;
  const address = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const details = { cause: caught };
  switch (code) {
    case 'EADDRINUSE':
      return new HoldfastError('precondition_failed', `${address} is in use`, {
        ...details,
        hint: 'another node may be running (holdfast status); stop it, or give this one another address with listen',
      });
    case 'EACCES':
      return new HoldfastError('permission_denied', `this user may not listen on ${address}`, {
        ...details,
        hint: 'take a port above 1023',
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new HoldfastError('config_invalid', `${host} is no address of this machine`, {
        ...details,
        hint: `listen on one that is, or on ${listenDefault}`,
      });
    default:
      return new HoldfastError(
        'precondition_failed',
        `cannot listen on ${address}: ${String(caught)}`,
        details,
      );
  }
}

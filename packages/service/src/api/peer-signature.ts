import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '@holdfast/core';

/** The scheme of the authorization header with which nodes of a cluster speak to each other. */
const scheme = 'Holdfast-Node';

const { time, nonce, digest } = { time: '\\d{1,15}', nonce: '[\\w-]{22}', digest: '[\\w-]{43}' };
const name = '[a-z0-9][a-z0-9-]{0,62}';
const pattern = new RegExp(
  `^${scheme} 1\\.(${name})\\.(${name})\\.(${time})\\.(${nonce})\\.(${digest})\\.(${digest})$`,
);

/** One request of a node to another. */
export interface PeerRequest {
  readonly method: string;
  /** With the query, without what an address in `cluster.advertise` puts in front of it. */
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** What an authorization header of a node says. Nothing of it is true before it is verified. */
export interface PeerClaim {
  readonly from: string;
  readonly to: string;
  readonly timeMs: number;
  readonly nonce: string;
  readonly bodyDigest: string;
  readonly signature: string;
}

/** The authorization header for a request: made with the cluster's secret, it names who asks whom for what, and when. */
export function signPeerRequest(
  request: PeerRequest & { readonly body: string | undefined },
  secret: Secret,
  nowMs: number,
): string {
  const claim = {
    from: request.from,
    to: request.to,
    timeMs: nowMs,
    nonce: randomBytes(16).toString('base64url'),
    bodyDigest: digestOf(request.body ?? ''),
  };
  const { from, to, timeMs, bodyDigest } = claim;
  const signature = signatureOf(request, claim, secret);
  return `${scheme} 1.${from}.${to}.${timeMs}.${claim.nonce}.${bodyDigest}.${signature}`;
}

/** Undefined for a header of another scheme; a broken one of ours has names that no node has. */
export function readPeerClaim(authorization: string | undefined): PeerClaim | undefined {
  if (!authorization?.startsWith(`${scheme} `)) return undefined;
  const [, from = '', to = '', timeText = '', nonceText = '', bodyDigest = '', signature = ''] =
    pattern.exec(authorization) ?? [];
  return { from, to, timeMs: Number(timeText), nonce: nonceText, bodyDigest, signature };
}

/** Whether the claim was made with this secret, for this request. */
export function isSigned(
  request: { readonly method: string; readonly path: string },
  claim: PeerClaim,
  secret: Secret,
): boolean {
  const expected = Buffer.from(signatureOf(request, claim, secret));
  const given = Buffer.from(claim.signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

export function digestOf(body: string): string {
  return createHash('sha256').update(body).digest('base64url');
}

function signatureOf(
  { method, path }: { readonly method: string; readonly path: string },
  { from, to, timeMs, nonce: once, bodyDigest }: Omit<PeerClaim, 'signature'>,
  secret: Secret,
): string {
  // None of the parts can hold a line's end: what is signed reads in one way only.
  const text = [`${scheme} 1`, from, to, method, path, timeMs, once, bodyDigest].join('\n');
  return createHmac('sha256', secret.reveal()).update(text).digest('base64url');
}

import { createHmac } from 'node:crypto';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { type DeclaredNotification, HoldfastError, throwIfAborted, version } from '@holdfast/core';
import { interpolate } from '../interpolate.ts';
import type { Delivered, DeliverOptions } from './deliver.ts';
import { type Notice, payloadOf } from './notice.ts';
import { httpRefusal, type ReceiverContext, socketError } from './receiver-errors.ts';

export type DeclaredWebhook = Extract<DeclaredNotification, { readonly type: 'webhook' }>;

/** Of an answer that is no success, so much is read, to quote from it. */
const answerBytesMax = 2_048;

export async function postWebhook(
  notice: Notice,
  to: DeclaredWebhook,
  o: DeliverOptions,
): Promise<Delivered> {
  const url = webhookUrl(await interpolate(to.url, o));
  const secret = to.secret === undefined ? undefined : await interpolate(to.secret, o);
  const body = JSON.stringify(payloadOf(notice));
  const context: ReceiverContext = {
    receiver: `the webhook at ${url.origin}`,
    secrets: secretsOf(url, secret),
  };
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'user-agent': `holdfast/${version}`,
    ...(secret !== undefined && { 'x-holdfast-signature': signature(body, secret, o.clock.now()) }),
  };
  const answer = await post(url, { body, headers }, o).catch((caught: unknown) => {
    throwIfAborted(o.signal);
    throw socketError(caught, context);
  });
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) {
    answer.destroy();
    return { refused: [] };
  }
  throw httpRefusal(status, await beginningOf(answer), context);
}

/** `t=<unix seconds>,v1=<hex>`: the time is signed too, so that a receiver can refuse what is old. */
export function signature(body: string, secret: string, nowMs: number): string {
  const t = Math.floor(nowMs / 1000);
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`;
}

/** The URL itself is not told: many services take whoever knows it for the sender. */
function webhookUrl(text: string): URL {
  const url = URL.parse(text);
  if (url && (url.protocol === 'https:' || url.protocol === 'http:')) return url;
  throw new HoldfastError('config_invalid', "the webhook's URL is not an http:// or https:// address", {
    hint: 'correct it, or what its placeholders name; then holdfast apply',
  });
}

/** Short pieces are no secrets, and would blot out innocent words. */
const secretCharactersMin = 4;

function secretsOf(url: URL, secret: string | undefined): readonly string[] {
  const { username, password, pathname, search, searchParams } = url;
  const login = `${decoded(username)}:${decoded(password)}`;
  const inPath = pathname.split('/').flatMap((part) => [part, decoded(part)]);
  const inUrl = [url.href, login, username, password, decoded(password), pathname, search, ...inPath];
  const parts = [...inUrl, ...searchParams.values()].filter((part) => part.length >= secretCharactersMin);
  return secret === undefined ? parts : [...parts, secret];
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function post(
  url: URL,
  { body, headers }: { readonly body: string; readonly headers: Record<string, string> },
  { signal, ca }: DeliverOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Without an agent each message has a connection of its own, which ends with it.
    const common = { method: 'POST', agent: false, headers, signal } as const;
    const request =
      url.protocol === 'https:'
        ? requestTls(url, { ...common, ...(ca !== undefined && { ca }) })
        : requestPlain(url, common);
    request.on('response', resolve);
    // Stays for the time after the answer's head: the connection may end in any way then.
    request.on('error', reject);
    request.end(body);
  });
}

/** A receiver that answers no and then stalls or breaks off has answered. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      parts.push(part);
      bytes += part.length;
      if (bytes >= answerBytesMax) break;
    }
  } catch {
    // What came until then is enough.
  }
  return Buffer.concat(parts).subarray(0, answerBytesMax).toString();
}

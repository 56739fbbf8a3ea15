import { type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly error: { code?: string; message?: string; hint?: string };
}

/** A request with any headers, also those that `fetch` keeps to itself. */
export function rawRequest(
  url: string,
  o: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: o.method ?? 'GET', headers: o.headers ?? {}, agent: false },
      (response) => {
        text(response).then((body) => {
          const { error = {} } = body.startsWith('{') ? JSON.parse(body) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, error });
        }, reject);
      },
    );
    sent.once('error', reject);
    sent.end(o.body);
  });
}
